//! `cloudigrade explain`

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;

use super::CommandError;
use super::output::{self, Format};
use super::report::table::aligned;
use super::report::{choose, explain as explain_error, parse_date};
use crate::config::Database;
use crate::report::{self, Counted, Explanation};

/// The number to explain.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Example:
  cloudigrade explain usage --org 11111111 --date 2026-11-22";

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The highest number of RHEL instances that ran at once on a day: which they were, when, and why each counts
    Usage {
        /// The organization
        #[arg(long, value_name = "ORG")]
        org: String,
        /// The day, UTC
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_date)]
        date: Date,
        /// How to show it
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        #[command(flatten)]
        database: Database,
    },
}

/// Explains.
pub(super) async fn run(args: &ExplainArgs) -> Result<(), CommandError> {
    let What::Usage {
        org,
        date,
        output,
        database,
    } = &args.what;
    let url = database.database_url.expose();
    let pool = cloudigrade_store::connect_once(url)
        .await
        .map_err(explain_error)?;
    let known = cloudigrade_store::usage::organizations(&pool)
        .await
        .map_err(explain_error)?;
    choose(known, Some(org))?;
    let explanation = report::explain(&pool, org, *date, Timestamp::now()).await?;
    output::print(&match output {
        Format::Table => text(&explanation),
        Format::Json => serde_json::to_string_pretty(&explanation)? + "\n",
    })?;
    Ok(())
}

fn text(explanation: &Explanation) -> String {
    let Explanation {
        org_id,
        date,
        most,
        since,
        until,
        instances,
        others,
    } = explanation;
    let mut text = String::new();
    let second = |at: Timestamp| at.strftime("%H:%M:%S").to_string();
    let _ = match (since, until) {
        (Some(since), Some(until)) => writeln!(
            text,
            "Organization {org_id} had {most} RHEL instances at once on {date}, first from {} to {} (UTC):\n",
            second(*since),
            second(*until)
        ),
        _ => writeln!(
            text,
            "Organization {org_id} had no RHEL instance on {date}."
        ),
    };
    if !instances.is_empty() {
        text += &table(instances);
    }
    if !others.is_empty() {
        let then = if since.is_some() {
            "ran at that time"
        } else {
            "ran on that day"
        };
        let _ = writeln!(text, "\nThese {then} and don't count:\n");
        text += &table(others);
    }
    text
}

fn table(instances: &[Counted]) -> String {
    let second = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    aligned(
        ["ACCOUNT", "INSTANCE", "IMAGE", "START", "END", "WHY"],
        instances.iter().map(|counted| {
            let reasons: Vec<String> = counted.reasons.iter().map(ToString::to_string).collect();
            let why = match (reasons.is_empty(), counted.evidence.first()) {
                (true, _) => "nothing is known of its image yet".to_owned(),
                (false, Some(evidence)) => format!("{} ({evidence})", reasons.join(", ")),
                (false, None) => reasons.join(", "),
            };
            [
                counted.account_id.clone(),
                counted.instance_id.clone(),
                counted.image_id.clone().unwrap_or_else(|| "?".into()),
                second(counted.start),
                counted.end.map_or_else(|| "runs".into(), second),
                why,
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use metering::image::ClassificationReason;

    use super::*;

    fn counted(instance: &str, reasons: Vec<ClassificationReason>, evidence: &[&str]) -> Counted {
        Counted {
            account_id: "210987654321".into(),
            instance_id: instance.into(),
            region: "us-east-1".into(),
            image_id: Some("ami-1".into()),
            image_name: None,
            start: "2026-11-20T10:00:00Z".parse().unwrap(),
            end: None,
            reasons,
            evidence: evidence.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn says_which_when_and_why() {
        let explanation = Explanation {
            org_id: "11111111".into(),
            date: "2026-11-22".parse().unwrap(),
            most: 2,
            since: Some("2026-11-22T10:00:00Z".parse().unwrap()),
            until: Some("2026-11-22T11:30:00Z".parse().unwrap()),
            instances: vec![
                counted(
                    "i-1",
                    vec![ClassificationReason::InspectedRhel],
                    &["/etc/redhat-release: Red Hat Enterprise Linux 9.4\u{1b}[2J"],
                ),
                counted("i-2", vec![ClassificationReason::RhelTag], &[]),
            ],
            others: vec![counted("i-3", vec![], &[])],
        };
        insta::assert_snapshot!(text(&explanation));
    }

    #[test]
    fn says_that_there_was_none() {
        let explanation = Explanation {
            org_id: "11111111".into(),
            date: "2026-11-22".parse().unwrap(),
            most: 0,
            since: None,
            until: None,
            instances: vec![],
            others: vec![],
        };
        assert_eq!(
            text(&explanation),
            "Organization 11111111 had no RHEL instance on 2026-11-22.\n"
        );
    }
}
