//! The report for people.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Report, yes_no_unknown};
use crate::report::{Day, Hours, RunRow, UNKNOWN};

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
            .map(|hours| by_distribution(hours, report, today)),
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
        [
            day.org_id.clone(),
            day.date.strftime("%Y-%m-%d %a").to_string(),
            most.to_string(),
            note,
        ]
    });
    text += &columns(["ORGANIZATION", "DAY", "RHEL", ""], rows);
    text
}

fn by_distribution(hours: &[Hours], report: &Report, today: Date) -> String {
    let so_far = if report.to == today { ", so far" } else { "" };
    let mut text = format!(
        "Hours run by distribution, {} to {} (UTC){so_far}\n\n",
        report.from, report.to
    );
    if hours.is_empty() {
        return text + "No instance ran.\n";
    }
    let rows = hours.iter().map(|row| {
        [
            row.org_id.clone(),
            row.distribution.clone(),
            format!("{:.2}", row.hours),
            String::new(),
        ]
    });
    text += &columns(["ORGANIZATION", "DISTRIBUTION", "HOURS", ""], rows);
    if hours.iter().any(|row| row.distribution == UNKNOWN) {
        text += "\nunknown: what their images hold is not known, or not yet (see `kubectl get imginsp -A`).\n";
    }
    text
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

/// Rows of two texts, a number and a note, as wide as their content; organizations are set apart.
fn columns(heading: [&str; 4], rows: impl Iterator<Item = [String; 4]>) -> String {
    let rows: Vec<[String; 4]> = rows.map(|row| row.map(|cell| printable(&cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([heading[column].len()])
            .max()
            .unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    let line = |[org_id, what, number, note]: [&str; 4]| {
        let [first, second, third] = widths;
        let line = format!("{org_id:first$}  {what:second$}  {number:>third$}  {note}");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(heading);
    let mut org_id = rows.first().map(|row| row[0].as_str());
    for row in &rows {
        if org_id.replace(&row[0]) != Some(&row[0]) {
            text.push('\n');
        }
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

/// Names come from customers' disks: nothing in them may steer the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
