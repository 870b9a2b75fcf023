//! The processes that record log files, and the reader of reports.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudigrade::report;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::{interval, timeout};

use super::{Failure, TruthDatabase, TruthWorld};

/// Failed files that a replay names; further ones are only counted.
pub(crate) const NAMED: usize = 100;
/// The first life of a worker is shorter than this, each further one can last twice as long.
const FIRST_LIFE: Duration = Duration::from_millis(200);

/// A worker that ended by itself.
pub(crate) struct EndedWorker {
    /// Number of times it was killed before
    pub(crate) kills: u32,
    pub(crate) summary: ReplayOutput,
}

/// Output of `cloudigrade replay -o json`.
#[derive(Deserialize)]
pub(crate) struct ReplayOutput {
    pub(crate) recorded: usize,
    pub(crate) duplicate: usize,
    pub(crate) failed: usize,
    failures: Vec<String>,
}

impl ReplayOutput {
    /// Keys of the files it names as failed.
    pub(crate) fn failed_keys(&self) -> Result<BTreeSet<String>, Failure> {
        let key = |failure: &String| {
            let (key, _why) = failure.split_once(": ")?;
            Some(key.to_owned())
        };
        let keys: Option<BTreeSet<_>> = self.failures.iter().map(key).collect();
        keys.ok_or_else(|| format!("a failure names no file: {:?}", self.failures).into())
    }
}

/// Records all files with a process that is killed in the middle, until one ends by itself.
pub(crate) async fn work(
    number: u64,
    world: &TruthWorld,
    database: &TruthDatabase,
) -> Result<EndedWorker, Failure> {
    let mut kills = 0;
    loop {
        let process = Command::new(env!("CARGO_BIN_EXE_cloudigrade"))
            .args(["replay", "--output", "json", "--accounts"])
            .arg(world.accounts())
            .args(world.locations(number, kills)?)
            .env("DATABASE_URL", &database.url)
            .kill_on_drop(true)
            .output();
        let longest = FIRST_LIFE * 2_u32.saturating_pow(kills);
        let share = world.random((number, kills)) as f64 / u64::MAX as f64;
        match timeout(longest.mul_f64(share), process).await {
            Ok(output) => {
                let output = output?;
                let summary = serde_json::from_slice(&output.stdout).map_err(|_| {
                    let said = String::from_utf8_lossy(&output.stderr);
                    format!("worker {number} ended by itself, {}: {said}", output.status)
                })?;
                return Ok(EndedWorker { kills, summary });
            }
            Err(_late) => kills += 1,
        }
    }
}

/// Reads reports all the time, so that days are in the cache that later files change. Ends only when it fails.
pub(crate) async fn ask_for_reports(world: &TruthWorld, database: &TruthDatabase) -> Failure {
    let orgs: BTreeSet<&str> = world
        .truth
        .runs
        .iter()
        .map(|run| run.org_id.as_str())
        .collect();
    let mut pace = interval(Duration::from_millis(100));
    for org in orgs.iter().cycle() {
        pace.tick().await;
        let asked = async {
            let (first, last) = (world.first, world.last);
            report::concurrent(&database.pool, org, first, last, Timestamp::now()).await?;
            Ok::<_, Failure>(())
        };
        if let Err(failure) = asked.await {
            return failure;
        }
    }
    "there is no organization to report on".into()
}
