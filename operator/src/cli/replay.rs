//! `cloudigrade replay`

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use super::CommandError;
use super::output::{self, Format};
use crate::config::Database;
use crate::replay::{self, LogLocation, LogObjects, ReplaySummary};
use crate::telemetry::Metrics;
use cloudigrade_aws::{Aws, S3Objects};

/// Arguments of `cloudigrade replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReplayArgs {
    /// Manifests of the CloudAccounts whose log files count; others are passed over
    #[arg(long, value_name = "FILE", required = true)]
    accounts: Vec<PathBuf>,

    /// A folder with log files, or s3://BUCKET/PREFIX. Paths must contain those that CloudTrail writes: AWSLogs/ACCOUNT/CloudTrail/…
    #[arg(value_name = "LOCATION", required = true)]
    locations: Vec<LogLocation>,

    /// Events before this time do not count: a day or a time, UTC. For accounts that are metered already it is the time they were
    /// enabled, unless --backfill is given
    #[arg(long, value_name = "TIME", default_value = "1970-01-01", value_parser = parse_time)]
    since: Timestamp,

    /// Count events from --since on for accounts that are metered already too
    #[arg(long)]
    backfill: bool,

    /// Files read at the same time; as many as there are processors when not said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,

    /// Format of the summary
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,

    #[command(flatten)]
    database: Database,
}

const EXAMPLES: &str = "\
Examples:
  cloudigrade replay --accounts accounts.yaml ./logs
        Record what is in a folder. Takes a database with the schema (cloudigrade migrate), no Kubernetes and no AWS.

  cloudigrade replay --accounts acme.yaml --backfill --since 2026-01-01 s3://trails/AWSLogs/210987654321/CloudTrail/us-east-1/2026/
        Count what was before the account was enabled. Credentials come from the usual AWS variables and files.

It is safe to repeat and to run beside an operator: a file, and an event, is recorded once.
Exit status: 0 all files were recorded or passed over, 1 some could not be; they are named.";

/// Replays log files and prints a summary.
pub(super) async fn run(args: &ReplayArgs) -> Result<(), CommandError> {
    let mut accounts = Vec::new();
    for path in &args.accounts {
        let name = path.display();
        let yaml = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let read = replay::read_accounts(&yaml).map_err(|error| format!("{name}: {error}"))?;
        accounts.extend(read);
    }
    let metrics = Metrics::default();
    let jobs = match args.jobs {
        Some(jobs) => usize::from(jobs),
        None => std::thread::available_parallelism().map_or(2, usize::from),
    };
    let pool = cloudigrade_store::connect(args.database.database_url.expose(), 2)?;
    cloudigrade_store::ping(&pool).await?;
    let metered = replay::enrol(&pool, &accounts, args.since, args.backfill).await?;

    let is_bucket = |location: &LogLocation| matches!(location, LogLocation::Bucket { .. });
    let s3 = match args.locations.iter().any(is_bucket) {
        true => Some(S3Objects::new(Aws::load(metrics.aws.clone()).await)),
        false => None,
    };
    let sources = LogObjects { s3 };
    let bar = progress_bar();
    let summary = replay::replay(
        &pool,
        &metrics,
        &sources,
        sources.files(&args.locations),
        &metered,
        jobs,
        |summary| show(&bar, summary),
    )
    .await?;
    bar.finish_and_clear();

    output::print(&match args.output {
        Format::Table => table(&summary),
        Format::Json => serde_json::to_string_pretty(&summary)? + "\n",
    })?;
    match summary.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} files could not be recorded; replay them again when what is wrong with them is mended").into()),
    }
}

fn progress_bar() -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr_with_hz(5),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(bar: &ProgressBar, summary: &ReplaySummary) {
    bar.set_message(format!(
        "{} files, {} records, {} events, {:.0} records/s",
        summary.files,
        summary.records,
        summary.events,
        per_second(summary)
    ));
}

fn per_second(summary: &ReplaySummary) -> f64 {
    if summary.seconds > 0.0 {
        summary.records as f64 / summary.seconds
    } else {
        0.0
    }
}

fn table(summary: &ReplaySummary) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<22} {value:>14}");
    };
    line("files", summary.files.to_string());
    for (name, files) in [
        ("  recorded", summary.recorded),
        ("  recorded before", summary.duplicate),
        ("  passed over", summary.ignored),
        ("  failed", summary.failed),
    ] {
        line(name, files.to_string());
    }
    line("records", summary.records.to_string());
    for (outcome, records) in &summary.outcomes {
        line(
            &format!("  {}", outcome.replace('_', " ")),
            records.to_string(),
        );
    }
    line("MB read", format!("{:.1}", summary.bytes as f64 / 1e6));
    line("seconds", format!("{:.1}", summary.seconds));
    line("records per second", format!("{:.0}", per_second(summary)));
    for failure in &summary.failures {
        let _ = writeln!(text, "failed: {failure}");
    }
    text
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    let day = format!("{text}T00:00:00Z");
    text.parse()
        .or_else(|_| day.parse())
        .map_err(|_| "a day like 2026-11-22 or a time like 2026-11-22T10:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-11-22", "2026-11-22T00:00:00Z")]
    #[case("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z")]
    fn times(#[case] text: &str, #[case] expected: Timestamp) {
        assert_eq!(parse_time(text), Ok(expected));
    }

    #[test]
    fn the_table_names_what_failed_and_why_records_were_skipped() {
        let summary = ReplaySummary {
            files: 3,
            recorded: 2,
            failed: 1,
            records: 1200,
            seconds: 2.0,
            outcomes: [("event", 60), ("other_source", 1140)].into(),
            failures: vec!["AWSLogs/x.json.gz: the object is not readable as gzip".into()],
            ..ReplaySummary::default()
        };
        insta::assert_snapshot!(table(&summary));
    }
}
