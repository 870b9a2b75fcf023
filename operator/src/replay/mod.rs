//! Log files from a folder or a bucket as a source of [`crate::ingest`]: for files that were missed, for audits, tests and
//! benches.
//!
//! The same files are recorded once, however often they are replayed and whether or not a trail delivered them before.

mod accounts;
mod source;
#[cfg(test)]
mod tests;

pub use accounts::{AccountsError, enrol, read as read_accounts};
pub use source::{LogLocation, LogObjects};

use std::collections::BTreeMap;
use std::time::Instant;

use futures::{Stream, StreamExt};
use serde::Serialize;

use crate::ingest::{
    CommittedFile, FileError, FileOutcome, FileResult, ObjectLocation, Pipeline, Recipients,
};
use crate::telemetry::Metrics;
use cloudigrade_cloud::Objects;
use cloudigrade_store::{Pool, StoreError};

/// Failures named one by one; further ones are counted.
const FAILURES: usize = 100;

/// The outcome of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReplaySummary {
    /// Files found, of any kind
    pub files: u64,
    /// Files recorded now
    pub recorded: u64,
    /// Files recorded before
    pub duplicate: u64,
    /// Files that are no log files, or of accounts that are not metered
    pub ignored: u64,
    /// Files that could not be recorded
    pub failed: u64,
    /// Records in the files recorded now
    pub records: u64,
    /// Instance events and tag changes of those
    pub events: u64,
    /// Records of those by outcome
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Compressed size of the files that are recorded, in bytes
    pub bytes: u64,
    /// Wall time
    pub seconds: f64,
    /// The first failures: which file, and why
    pub failures: Vec<String>,
}

/// Replays `files`, reading `parallel_reads` of them at the same time, and shows `progress` after each transaction.
///
/// # Errors
/// When the database does not do its work. Files committed until then stay; replaying again records the rest.
pub async fn replay<O: Objects>(
    pool: &Pool,
    metrics: &Metrics,
    objects: &O,
    files: impl Stream<Item = Result<ObjectLocation, FileError>> + Send,
    accounts: &Recipients,
    parallel_reads: usize,
    progress: impl Fn(&ReplaySummary),
) -> Result<ReplaySummary, StoreError> {
    let started = Instant::now();
    let pipeline = Pipeline {
        pool,
        metrics,
        objects,
        accounts,
        parallel_reads,
    };
    let mut summary = ReplaySummary::default();
    let mut groups = std::pin::pin!(pipeline.run(files.map(|file| ((), file))));
    while let Some(group) = groups.next().await {
        group?.into_iter().for_each(|((), file)| summary.add(file));
        summary.seconds = started.elapsed().as_secs_f64();
        progress(&summary);
    }
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

impl ReplaySummary {
    fn add(&mut self, result: FileResult) {
        self.files += 1;
        let CommittedFile { outcome, file } = match result {
            Ok(committed) => committed,
            Err(error) => return self.fail(&error),
        };
        match (outcome, file) {
            (FileOutcome::Recorded, Some(file)) => {
                self.recorded += 1;
                self.bytes += file.bytes;
                self.records += file.log.records;
                self.events += file.events() as u64;
                for &(outcome, records) in file.log.outcomes.iter().filter(|(_, n)| *n > 0) {
                    *self.outcomes.entry(outcome).or_default() += records;
                }
            }
            (FileOutcome::Duplicate, Some(file)) => {
                self.duplicate += 1;
                self.bytes += file.bytes;
            }
            _ => self.ignored += 1,
        }
    }

    fn fail(&mut self, error: &FileError) {
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(error.to_string());
        }
    }
}
