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
        let group = report.by.iter().map(|by| by.key());
        rows.line(
            &["org_id", "from", "to"]
                .into_iter()
                .chain(group)
                .chain(HOURS)
                .collect::<Vec<_>>(),
        );
        let (from, to) = (report.from.to_string(), report.to.to_string());
        let number = |number: f64| format!("{number:.4}");
        for row in hours {
            let group = row.group.iter().map(|(_, value)| value.as_str());
            let numbers = [
                row.seconds.to_string(),
                number(row.hours),
                row.vcpu_hours.map(number).unwrap_or_default(),
                row.memory_gib_hours.map(number).unwrap_or_default(),
                number(row.unsized_hours),
            ];
            let fields = [row.org_id.as_str(), &from, &to].into_iter().chain(group);
            rows.line(
                &fields
                    .chain(numbers.iter().map(String::as_str))
                    .collect::<Vec<_>>(),
            );
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

/// Columns of every group of hours. Unknown values are empty.
const HOURS: [&str; 5] = [
    "seconds",
    "hours",
    "vcpu_hours",
    "memory_gib_hours",
    "unsized_hours",
];

#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add<const N: usize>(&mut self, fields: [&str; N]) {
        self.line(&fields);
    }

    fn line(&mut self, fields: &[&str]) {
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        self.0.push_str(&fields.join(","));
        self.0.push_str("\r\n");
    }
}

/// Beginnings of a cell that spreadsheets take for a formula. Some texts are what a customer's disk says.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn quoted(field: &str) -> String {
    if field.starts_with(FORMULA) {
        // A spreadsheet shows the rest, and does not compute it.
        return format!("\"'{}\"", field.replace('"', "\"\""));
    }
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("rhel", "rhel")]
    #[case::inside("a=b", "a=b")]
    #[case::comma("a,b", "\"a,b\"")]
    #[case::link(r#"=HYPERLINK("http://evil")"#, r#""'=HYPERLINK(""http://evil"")""#)]
    #[case::command("@SUM(A1)", "\"'@SUM(A1)\"")]
    #[case::plus("+1", "\"'+1\"")]
    #[case::minus("-1+1", "\"'-1+1\"")]
    #[case::tab("\t=1", "\"'\t=1\"")]
    fn no_cell_is_a_formula(#[case] field: &str, #[case] cell: &str) {
        assert_eq!(quoted(field), cell);
    }
}
