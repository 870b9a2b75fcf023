//! `cloudigrade report`

mod csv;
pub(super) mod table;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use metering::usage::Period;
use serde::Serialize;

use super::{CommandError, output};
use crate::config::Database;
use crate::report::{self, By, Day, Hours, RunRow};
use cloudigrade_store::{Pool, StoreError};

/// Subject, organizations, period and format of a report.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    /// Report to show; concurrent usage and hours when not given
    #[arg(value_enum)]
    report: Option<Which>,

    /// Only this organization; all of them when not said
    #[arg(long, value_name = "ORG")]
    org: Option<String>,

    /// First day, UTC; six days before the last when not said
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    from: Option<Date>,

    /// Last day, UTC, counted in; today when not said. Today counts up to now
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
    to: Option<Date>,

    /// Dimension to group hours by; several make groups within groups
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "distribution"
    )]
    by: Vec<By>,

    /// How to show it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,

    #[command(flatten)]
    database: Database,
}

const EXAMPLES: &str = "\
Examples:
  cloudigrade report                                     the last seven days of every organization
  cloudigrade report concurrent --org 11111111 --from 2026-11-01 --to 2026-11-30
  cloudigrade report hours --by account,type             also vCPU-hours and memory-hours
  cloudigrade report hours -o csv > hours.csv
  cloudigrade report runs --org 11111111 --from 2026-11-01 -o csv > runs.csv
  cloudigrade report -o json | jq '.concurrent[].maximum_counts'

An instance counts as RHEL if its image is tagged cloudigrade-rhel-present, is a Red Hat Cloud Access image, or an \
inspection found RHEL on its disk. Marketplace images are billed by the marketplace and don't count.

In json and csv a number stands for one choice of dimensions; a dimension that does not matter to it is _ANY.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The highest number of RHEL instances that ran at once, each day
    Concurrent,
    /// Hours that instances ran, by distribution or what --by says, with vCPU-hours and memory-hours
    Hours,
    /// Every run: which instance, from when to when, and whether it counts as RHEL
    Runs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: everything
    Json,
    /// For spreadsheets: one report at a time
    Csv,
}

/// The reports asked for; others are left out.
#[derive(Debug, Serialize)]
struct Report {
    from: Date,
    to: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrent: Option<Vec<Day>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<Vec<Hours>>,
    /// Dimensions of the hours; each entry has them as keys.
    #[serde(skip)]
    by: Vec<By>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<RunRow>>,
}

/// Prints the reports.
pub(super) async fn run(args: &ReportArgs) -> Result<(), CommandError> {
    let now = Timestamp::now();
    let (from, to) = days(args.from, args.to, now)?;
    if args.output == Format::Csv && args.report.is_none() {
        return Err(
            "csv holds one report: say which, `report concurrent -o csv`, `report hours -o csv` or `report runs -o csv`"
                .into(),
        );
    }
    let by = once_each(&args.by);
    if by != [By::Distribution] && args.report.is_some_and(|report| report != Which::Hours) {
        return Err("--by is for hours: `cloudigrade report hours --by …`".into());
    }
    let url = args.database.database_url.expose();
    let pool = cloudigrade_store::connect_once(url)
        .await
        .map_err(explain)?;
    let organizations = cloudigrade_store::usage::organizations(&pool)
        .await
        .map_err(explain)?;
    let organizations = choose(organizations, args.org.as_deref())?;
    let report = read(&pool, &organizations, args.report, &by, (from, to), now).await?;
    output::print(&match args.output {
        Format::Table => table::text(&report, now),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
        Format::Csv => csv::text(&report),
    })?;
    Ok(())
}

async fn read(
    pool: &Pool,
    organizations: &[String],
    only: Option<Which>,
    by: &[By],
    (from, to): (Date, Date),
    now: Timestamp,
) -> Result<Report, StoreError> {
    let wanted = |which| only.is_none_or(|only| only == which);
    let mut report = Report {
        from,
        to,
        concurrent: wanted(Which::Concurrent).then(Vec::new),
        hours: wanted(Which::Hours).then(Vec::new),
        by: by.to_vec(),
        // Too many to show unasked.
        runs: (only == Some(Which::Runs)).then(Vec::new),
    };
    for org_id in organizations {
        if let Some(days) = &mut report.concurrent {
            days.extend(report::concurrent(pool, org_id, from, to, now).await?);
        }
        let period = Period::of_days(from, to);
        if let Some(hours) = &mut report.hours {
            hours.extend(report::hours(pool, org_id, period, by, now).await?);
        }
        if let Some(runs) = &mut report.runs {
            runs.extend(report::runs(pool, org_id, period.until(now)).await?);
        }
    }
    Ok(report)
}

/// The first thing that goes wrong with a database that is not ours, or not ours yet.
pub(super) fn explain(error: StoreError) -> CommandError {
    match &error {
        StoreError::Sql { source: sqlx::Error::Database(said), .. } if said.code().as_deref() == Some("42P01") => {
            "the database has no tables of cloudigrade: check DATABASE_URL, or run `cloudigrade migrate`".into()
        }
        StoreError::Sql { source: sqlx::Error::Io(said), .. } => {
            format!("no Postgres server answers where DATABASE_URL points: {said}").into()
        }
        _ => error.into(),
    }
}

/// The same key twice would be one column too many.
fn once_each(by: &[By]) -> Vec<By> {
    let mut seen = HashSet::new();
    by.iter().copied().filter(|by| seen.insert(*by)).collect()
}

fn yes_no_unknown(rhel: Option<bool>) -> &'static str {
    match rhel {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

/// The organizations to report on.
pub(super) fn choose(known: Vec<String>, wanted: Option<&str>) -> Result<Vec<String>, String> {
    let Some(wanted) = wanted else {
        return Ok(known);
    };
    if known.iter().any(|org_id| org_id == wanted) {
        return Ok(vec![wanted.to_owned()]);
    }
    Err(match known.as_slice() {
        [] => {
            "no organization has had an account enrolled yet: apply a CloudAccount first".to_owned()
        }
        known => {
            let some = known
                .iter()
                .take(10)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            let more = if known.len() > 10 { ", …" } else { "" };
            format!(
                "organization {wanted} never had an account enrolled; those that had: {some}{more}"
            )
        }
    })
}

/// Days one report may span: ten years.
const MOST_DAYS: i32 = 3660;

/// The first and last day to report on.
fn days(from: Option<Date>, to: Option<Date>, now: Timestamp) -> Result<(Date, Date), String> {
    let today = now.to_zoned(TimeZone::UTC).date();
    if let Some(from) = from.filter(|from| *from > today) {
        return Err(format!(
            "--from {from} has not come yet: today is {today} (UTC)"
        ));
    }
    // Days to come have nothing to show.
    let last = to.unwrap_or(today).min(today);
    let first = from.unwrap_or_else(|| last.saturating_sub(6.days()));
    if first > last {
        return Err(format!("--from {first} is after --to {last}"));
    }
    let span = last.since(first).map_or(i32::MAX, |span| span.get_days());
    if span >= MOST_DAYS {
        return Err(format!(
            "{first} to {last} is too long: a report spans at most {MOST_DAYS} days"
        ));
    }
    Ok((first, last))
}

pub(super) fn parse_date(text: &str) -> Result<Date, String> {
    Date::strptime("%Y-%m-%d", text).map_err(|_| "a day is written like 2026-11-22".to_owned())
}
