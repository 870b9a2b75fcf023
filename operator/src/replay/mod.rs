//! Reading log files again, from a folder or a bucket: for what was missed, for audits, for tests and benches.
//!
//! ```text
//! keys ──► ingest::file (read, on several threads) ──► ingest::commit (many files a transaction)
//! ```
//! The same files are recorded once, however often they are replayed and whether or not a trail delivered them before.

mod accounts;
mod source;
#[cfg(test)]
mod tests;

pub use accounts::{AccountsError, enrol, read as read_accounts};
pub use source::{Place, Sources};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::cloud::Objects;
use crate::ingest::{self, FileError, Location, ReadFile, Recipients, Recorded};
use crate::observe::Metrics;
use crate::store::{Pool, StoreError};

/// Most files in one transaction.
const FILES: usize = 512;
/// Most events in one transaction, but for those of its last file.
const EVENTS: usize = 20_000;
/// How long what was read waits for more to come into its transaction.
const LINGER: Duration = Duration::from_millis(20);
/// Failures told one by one; further ones are counted.
const FAILURES: usize = 100;

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Files met, of whatever kind
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
    /// Records of those by what became of them
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Bytes of the files read, compressed as they are
    pub bytes: u64,
    /// Wall time
    pub seconds: f64,
    /// The first failures: which file, and why
    pub failures: Vec<String>,
}

/// Replays `files`, reading `at_once` of them at the same time, and tells `progress` now and then.
///
/// # Errors
/// When the database does not do its work. What was committed until then stays; the rest is recorded by replaying again.
pub async fn replay<O: Objects>(
    pool: &Pool,
    metrics: &Metrics,
    objects: &O,
    files: impl Stream<Item = Result<Location, FileError>> + Send,
    recipients: &Recipients,
    at_once: usize,
    progress: impl Fn(&Summary),
) -> Result<Summary, StoreError> {
    let started = Instant::now();
    // Small, so that what was read and waits for the database does not pile up.
    let (sender, mut receiver) = mpsc::channel(at_once);
    let reading = async move {
        let reads = files
            .map(|file| async { ingest::read(objects, file?, recipients).await })
            .buffer_unordered(at_once);
        let mut reads = std::pin::pin!(reads);
        while let Some(read) = reads.next().await {
            if sender.send(read).await.is_err() {
                return;
            }
        }
    };
    // It owns the receiver: when it fails, nobody takes what is read any more, and reading ends too.
    let recording = async move {
        let mut summary = Summary::default();
        while let Some(group) = group(&mut receiver).await {
            record(pool, metrics, group, &mut summary).await?;
            summary.seconds = started.elapsed().as_secs_f64();
            progress(&summary);
        }
        summary.seconds = started.elapsed().as_secs_f64();
        Ok(summary)
    };
    let ((), summary) = tokio::join!(reading, recording);
    summary
}

type Read = Result<Option<ReadFile>, FileError>;

/// What was read since the last transaction began, at least one file; `None` when there is no more.
async fn group(receiver: &mut mpsc::Receiver<Read>) -> Option<Vec<Read>> {
    let mut group = vec![receiver.recv().await?];
    let events = |read: &Read| match read {
        Ok(Some(file)) => file.events(),
        _ => 0,
    };
    let mut total: usize = group.iter().map(events).sum();
    while group.len() < FILES && total < EVENTS {
        // A transaction is worth waiting for some company, whose reading goes on at the same time.
        let Ok(Some(read)) = tokio::time::timeout(LINGER, receiver.recv()).await else {
            break;
        };
        total += events(&read);
        group.push(read);
    }
    Some(group)
}

async fn record(
    pool: &Pool,
    metrics: &Metrics,
    group: Vec<Read>,
    summary: &mut Summary,
) -> Result<(), StoreError> {
    summary.files += group.len() as u64;
    let mut files = Vec::with_capacity(group.len());
    for read in group {
        match read {
            Ok(Some(file)) => files.push(file),
            Ok(None) => summary.ignored += 1,
            Err(error) => summary.fail(&error),
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    let recorded = ingest::commit(pool, metrics, &files).await?;
    for (file, recorded) in files.into_iter().zip(recorded) {
        summary.bytes += file.bytes;
        match recorded {
            Ok(Recorded::Now) => summary.add(&file),
            Ok(Recorded::Already) => summary.duplicate += 1,
            Ok(Recorded::Ignored) => summary.ignored += 1,
            Err(source) => summary.fail(&FileError::Store {
                key: file.location.key,
                source,
            }),
        }
    }
    Ok(())
}

impl Summary {
    fn add(&mut self, file: &ReadFile) {
        self.recorded += 1;
        self.records += file.relevant.records;
        self.events += file.events() as u64;
        for &(outcome, records) in file.relevant.outcomes.iter().filter(|(_, n)| *n > 0) {
            *self.outcomes.entry(outcome).or_default() += records;
        }
    }

    fn fail(&mut self, error: &FileError) {
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(error.to_string());
        }
    }
}
