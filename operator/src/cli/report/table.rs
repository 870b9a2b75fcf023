//! The report for people.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Report, yes_no_unknown};
use crate::report::{By, Day, Hours, RunRow, UNKNOWN};

/// Length of the longest bar.
const BAR: u64 = 32;

/// The reports one under the other.
pub(super) fn text(report: &Report, now: Timestamp) -> String {
    let today = now.to_zoned(TimeZone::UTC).date();
    let parts = [
        report
            .concurrent
            .as_deref()
            .map(|days| concurrent(days, today)),
        report
            .hours
            .as_deref()
            .map(|hours| each_group(hours, report, today)),
        report.runs.as_deref().map(|runs| each_run(runs, report)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn concurrent(days: &[Day], today: Date) -> String {
    let mut text = "RHEL instances running at once, the most on each day (UTC)\n\n".to_owned();
    if days.is_empty() {
        return text + NO_ORGANIZATION;
    }
    let highest = days.iter().map(Day::most).max().unwrap_or_default().max(1);
    let rows = days.iter().map(|day| {
        let most = day.most();
        let bar = "█".repeat(usize::try_from((most * BAR).div_ceil(highest)).unwrap_or_default());
        let so_far = if day.date == today { "so far" } else { "" };
        let note = [bar.as_str(), so_far].join(" ").trim().to_owned();
        vec![
            day.org_id.clone(),
            day.date.strftime("%Y-%m-%d %a").to_string(),
            most.to_string(),
            note,
        ]
    });
    text += &grouped(&["ORGANIZATION", "DAY", "RHEL", ""], 2, rows);
    text
}

fn each_group(hours: &[Hours], report: &Report, today: Date) -> String {
    let so_far = if report.to == today { ", so far" } else { "" };
    let by: Vec<String> = report
        .by
        .iter()
        .map(|by| heading(*by).to_lowercase())
        .collect();
    let mut text = format!(
        "Hours run by {}, {} to {} (UTC){so_far}\n\n",
        by.join(" and "),
        report.from,
        report.to
    );
    if hours.is_empty() {
        return text + "No instance ran.\n";
    }
    let names = report.by.iter().map(|by| heading(*by));
    let headings: Vec<&str> = ["ORGANIZATION"]
        .into_iter()
        .chain(names)
        .chain(["HOURS", "VCPU-HOURS", "GIB-HOURS", "UNSIZED"])
        .collect();
    let number = |number: f64| format!("{number:.2}");
    let rows = hours.iter().map(|row| {
        let group = row.group.iter().map(|(_, value)| value.clone());
        let sized =
            [row.vcpu_hours, row.memory_gib_hours].map(|hours| hours.map_or("?".into(), number));
        let left_out = if row.unsized_hours > 0.0 {
            number(row.unsized_hours)
        } else {
            String::new()
        };
        [row.org_id.clone()]
            .into_iter()
            .chain(group)
            .chain([number(row.hours)])
            .chain(sized)
            .chain([left_out])
            .collect()
    });
    text += &grouped(&headings, 1 + report.by.len(), rows);
    if hours.iter().any(|row| row.unsized_hours > 0.0) {
        text += "\nUNSIZED: hours of instances whose size is not known, or not yet; vCPU-hours and GiB-hours are without them.\n";
    }
    let unknown = |row: &Hours| row.group.contains(&(By::Distribution, UNKNOWN.into()));
    if hours.iter().any(unknown) {
        text += "\nunknown: what their images hold is not known, or not yet (see `kubectl get imginsp -A`).\n";
    }
    text
}

fn heading(by: By) -> &'static str {
    match by {
        By::Distribution => "DISTRIBUTION",
        By::Account => "ACCOUNT",
        By::Image => "IMAGE",
        By::Type => "TYPE",
        By::Region => "REGION",
    }
}

fn each_run(runs: &[RunRow], report: &Report) -> String {
    let mut text = format!("Runs, {} to {} (UTC)\n\n", report.from, report.to);
    if runs.is_empty() {
        return text + "No instance ran.\n";
    }
    let minute = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let heading = [
        "ORGANIZATION",
        "ACCOUNT",
        "INSTANCE",
        "START",
        "END",
        "TYPE",
        "IMAGE",
        "RHEL",
    ];
    let rows = runs.iter().map(|run| {
        [
            run.org_id.clone(),
            run.account_id.clone(),
            run.instance_id.clone(),
            minute(run.start),
            run.end.map_or_else(|| "runs".into(), minute),
            run.instance_type.clone().unwrap_or_else(|| "?".into()),
            run.image_id.clone().unwrap_or_else(|| "?".into()),
            yes_no_unknown(run.rhel).into(),
        ]
    });
    text += &aligned(heading, rows);
    text
}

/// Columns as wide as their content.
pub(in crate::cli) fn aligned<const N: usize>(
    heading: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(heading)
        .chain(rows.map(|row| row.map(|cell| printable(&cell))))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

const NO_ORGANIZATION: &str = "No account has been enrolled yet: apply a CloudAccount first.\n";

/// Columns as wide as their content: so many of text, then numbers, then a note without a
/// heading, if there is one. Organizations, the first column, are set apart.
fn grouped(headings: &[&str], texts: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let width = |(column, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths.fold(heading.len(), usize::max)
    };
    let widths: Vec<usize> = headings.iter().enumerate().map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < texts || headings[column].is_empty() {
                    format!("{cell:width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    let mut previous = rows.first().and_then(|row| row.first());
    for row in &rows {
        if previous != row.first() {
            text.push('\n');
            previous = row.first();
        }
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Names come from customers' disks: nothing in them may steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
