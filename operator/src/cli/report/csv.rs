//! The report for spreadsheets (RFC 4180).

use super::Report;

/// One table with a heading.
pub(super) fn text(report: &Report) -> String {
    let mut rows = Rows::default();
    if let Some(days) = &report.concurrent {
        rows.add([
            "org_id",
            "date",
            "arch",
            "role",
            "sla",
            "usage",
            "service_type",
            "instances_count",
        ]);
        for day in days {
            let date = day.date.to_string();
            for c in &day.maximum_counts {
                let count = c.instances_count.to_string();
                rows.add([
                    &day.org_id,
                    &date,
                    &c.arch,
                    &c.role,
                    &c.sla,
                    &c.usage,
                    &c.service_type,
                    &count,
                ]);
            }
        }
    }
    if let Some(hours) = &report.hours {
        rows.add(["org_id", "from", "to", "distribution", "seconds", "hours"]);
        let (from, to) = (report.from.to_string(), report.to.to_string());
        for row in hours {
            let (seconds, hours) = (row.seconds.to_string(), format!("{:.4}", row.hours));
            rows.add([&row.org_id, &from, &to, &row.distribution, &seconds, &hours]);
        }
    }
    if let Some(runs) = &report.runs {
        rows.add([
            "org_id",
            "account_id",
            "instance_id",
            "region",
            "image_id",
            "instance_type",
            "start",
            "end",
            "rhel",
            "reasons",
        ]);
        for run in runs {
            let (start, end) = (run.start.to_string(), run.end.map(|end| end.to_string()));
            let reasons: Vec<String> = run.reasons.iter().map(ToString::to_string).collect();
            rows.add([
                &run.org_id,
                &run.account_id,
                &run.instance_id,
                &run.region,
                run.image_id.as_deref().unwrap_or_default(),
                run.instance_type.as_deref().unwrap_or_default(),
                &start,
                end.as_deref().unwrap_or_default(),
                super::yes_no_unknown(run.rhel),
                &reasons.join("; "),
            ]);
        }
    }
    rows.0
}

#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add<const N: usize>(&mut self, fields: [&str; N]) {
        self.0.push_str(&fields.map(quoted).join(","));
        self.0.push_str("\r\n");
    }
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
