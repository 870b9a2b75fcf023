//! `cloudigrade prune`

use jiff::Timestamp;

use super::{CommandError, output};
use crate::config::{Database, KeepDays};
use cloudigrade_store::retention::{self, Pruned};

/// The retention limit.
#[derive(Debug, clap::Args)]
pub(super) struct PruneArgs {
    /// Days of events and of recorded log files to keep, 90 at least
    #[arg(long, value_name = "DAYS")]
    keep_days: KeepDays,

    /// Only print how much would be deleted
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    database: Database,
}

/// Deletes older events and entries of the ledger.
pub(super) async fn run(args: &PruneArgs) -> Result<(), CommandError> {
    let kept_since = args.keep_days.before(Timestamp::now());
    let pool = cloudigrade_store::connect(args.database.database_url.expose(), 1)?;
    let Pruned { log_files, events } = retention::prune(&pool, kept_since, args.dry_run).await?;
    let done = if args.dry_run { "would go" } else { "are gone" };
    let since = kept_since.strftime("%Y-%m-%dT%H:%M:%SZ");
    output::print(&format!(
        "{events} events and {log_files} entries of the ledger from before {since} {done}; runs and usage stay\n"
    ))?;
    Ok(())
}
