//! `cloudigrade dead-letters`

use std::fmt::Write;

use super::CommandError;
use super::output::{self, Format};
use crate::config::Database;
use crate::ingest;
use crate::telemetry::Metrics;
use cloudigrade_aws::{Aws, S3Objects};
use cloudigrade_store::dead_letters;

/// Arguments of `cloudigrade dead-letters`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
A message is given up when it can never be processed, or could not be several times in a row; the reason is kept with it.

Examples:
  cloudigrade dead-letters list
  cloudigrade dead-letters show 17
  cloudigrade dead-letters replay --all --trail-bucket trails";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the messages that were given up, the newest first
    List {
        /// How to show them
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        #[command(flatten)]
        database: Database,
    },
    /// Show one message as it came
    Show {
        /// Its number, from the list
        id: i64,
        #[command(flatten)]
        database: Database,
    },
    /// Process messages again; those that succeed are deleted
    Replay {
        /// Their numbers, from the list
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<i64>,
        /// All of them
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Bucket of the own account that customers' trails write to
        #[arg(long, env = "CLOUDIGRADE_TRAIL_BUCKET", value_name = "BUCKET")]
        trail_bucket: String,
        #[command(flatten)]
        database: Database,
    },
}

/// Lists, shows or replays dead letters.
pub(super) async fn run(args: &DeadLettersArgs) -> Result<(), CommandError> {
    match &args.action {
        Action::List { output, database } => list(*output, database).await,
        Action::Show { id, database } => show(*id, database).await,
        Action::Replay {
            ids,
            all,
            trail_bucket,
            database,
        } => {
            let ids = (!all).then_some(ids.as_slice());
            replay(ids, trail_bucket, database).await
        }
    }
}

async fn list(format: Format, database: &Database) -> Result<(), CommandError> {
    let pool = cloudigrade_store::connect_once(database.database_url.expose()).await?;
    let letters = dead_letters::list(&pool, None).await?;
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&letters)? + "\n",
        Format::Table if letters.is_empty() => "No message was given up.\n".to_owned(),
        Format::Table => {
            let mut text = format!(
                "{:>6}  {:<20}  {:>8}  {}\n",
                "ID", "GIVEN UP", "ATTEMPTS", "REASON"
            );
            for letter in &letters {
                let at = letter.received_at.strftime("%Y-%m-%dT%H:%M:%SZ");
                let _ = writeln!(
                    text,
                    "{:>6}  {at:<20}  {:>8}  {}",
                    letter.id, letter.receives, letter.reason
                );
            }
            text
        }
    };
    Ok(output::print(&text)?)
}

async fn show(id: i64, database: &Database) -> Result<(), CommandError> {
    let pool = cloudigrade_store::connect_once(database.database_url.expose()).await?;
    let letters = dead_letters::list(&pool, Some(&[id])).await?;
    let letter = letters.first().ok_or_else(|| missing(id))?;
    Ok(output::print(
        &(serde_json::to_string_pretty(letter)? + "\n"),
    )?)
}

async fn replay(
    ids: Option<&[i64]>,
    trail_bucket: &str,
    database: &Database,
) -> Result<(), CommandError> {
    let pool = cloudigrade_store::connect(database.database_url.expose(), 2)?;
    cloudigrade_store::ping(&pool).await?;
    let letters = dead_letters::list(&pool, ids).await?;
    if let Some(gone) = ids
        .unwrap_or_default()
        .iter()
        .find(|id| letters.iter().all(|letter| letter.id != **id))
    {
        return Err(missing(*gone));
    }
    let metrics = Metrics::default();
    let objects = S3Objects::new(Aws::load(metrics.aws.clone()).await);
    let mut failed = 0;
    for letter in &letters {
        let result = ingest::redrive(&pool, &metrics, &objects, trail_bucket, letter).await;
        let line = match result {
            Ok(outcome) => {
                dead_letters::delete(&pool, letter.id).await?;
                format!("{}: {outcome}\n", letter.id)
            }
            Err(error) => {
                failed += 1;
                format!("{}: still fails: {error}\n", letter.id)
            }
        };
        output::print(&line)?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!(
            "{failed} of {} messages still fail and are kept",
            letters.len()
        )
        .into()),
    }
}

fn missing(id: i64) -> CommandError {
    format!("there is no dead letter {id}: `cloudigrade dead-letters list` shows those there are")
        .into()
}
