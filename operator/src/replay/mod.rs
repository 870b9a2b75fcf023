//! Reading log files again, from a folder or a bucket: for what was missed, for audits, for tests and benches.
//!
//! ```text
//! keys ──► ingest::file (read, on several threads) ──► ingest::commit (many files a transaction, two at once)
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

use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::ingest::{self, FileError, Location, ReadFile, Recipients, Recorded};
use crate::telemetry::Metrics;
use cloudigrade_cloud::Objects;
use cloudigrade_store::{Pool, StoreError};

/// Most files in one transaction.
const FILES: usize = 512;
/// Most events in one transaction, but for those of its last file.
const EVENTS: usize = 20_000;
/// Transactions at the same time: the database has work while another one's rows go to and fro.
const COMMITS: usize = 2;
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
    /// Bytes of the files that are recorded, compressed as they are
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
    let (sender, receiver) = mpsc::channel(at_once);
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
    let groups = stream::unfold(receiver, async |mut receiver| {
        Some((group(&mut receiver).await?, receiver))
    });
    let recording = async move {
        let mut summary = Summary::default();
        let commits = groups.map(|group| record(pool, metrics, group));
        let mut recorded = std::pin::pin!(commits.buffer_unordered(COMMITS));
        while let Some(files) = recorded.next().await {
            files?.into_iter().for_each(|file| summary.add(file));
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

/// What became of a file, if it is one that might be recorded.
type Done = Result<Option<(ReadFile, Recorded)>, FileError>;

async fn record(pool: &Pool, metrics: &Metrics, group: Vec<Read>) -> Result<Vec<Done>, StoreError> {
    let (mut files, mut done) = (Vec::with_capacity(group.len()), Vec::new());
    for read in group {
        match read {
            Ok(Some(file)) => files.push(file),
            Ok(None) => done.push(Ok(None)),
            Err(error) => done.push(Err(error)),
        }
    }
    if !files.is_empty() {
        let recorded = ingest::commit(pool, metrics, &files).await?;
        let with_file = |(file, recorded): (ReadFile, Result<_, _>)| match recorded {
            Ok(recorded) => Ok(Some((file, recorded))),
            Err(source) => Err(FileError::Store {
                key: file.location.key,
                source,
            }),
        };
        done.extend(files.into_iter().zip(recorded).map(with_file));
    }
    Ok(done)
}

impl Summary {
    fn add(&mut self, done: Done) {
        self.files += 1;
        match done {
            Ok(Some((file, Recorded::Now))) => {
                self.recorded += 1;
                self.bytes += file.bytes;
                self.records += file.relevant.records;
                self.events += file.events() as u64;
                for &(outcome, records) in file.relevant.outcomes.iter().filter(|(_, n)| *n > 0) {
                    *self.outcomes.entry(outcome).or_default() += records;
                }
            }
            Ok(Some((file, Recorded::Already))) => {
                self.duplicate += 1;
                self.bytes += file.bytes;
            }
            Ok(Some((_, Recorded::Ignored)) | None) => self.ignored += 1,
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &FileError) {
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(error.to_string());
        }
    }
}
