//! Files that were read become rows: many in one transaction, so that each costs a small share of its statements.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::file::{FileError, ParsedFile};
use crate::telemetry::{Metrics, OutcomeLabel};
use cloudigrade_store::{
    Changes, Doing, Pool, StoreError, accounts, events, images, invalidate, ledger,
};

/// Most files in one transaction.
const MAX_FILES: usize = 512;
/// Most events in one transaction, but for those of its last file.
const MAX_EVENTS: usize = 20_000;
/// Transactions at the same time: the database has work while another one's rows go to and fro.
const PARALLEL_COMMITS: usize = 2;
/// Longest wait for the next file of a transaction; reading goes on meanwhile.
const LINGER: Duration = Duration::from_millis(50);
/// Longest time that a transaction gathers files: a trickle of them must not hold back the first.
const GATHERING: Duration = Duration::from_secs(1);
/// Attempts at a transaction that loses against others.
const ATTEMPTS: u32 = 3;

/// The effect of a file on the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileOutcome {
    /// Its account is not metered, or it is no log file
    Ignored,
    /// It was recorded before
    Duplicate,
    /// Its events are in the database now
    Recorded,
}

impl FileOutcome {
    /// Label of the metric that counts messages.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Duplicate => "duplicate",
            Self::Recorded => "recorded",
        }
    }
}

/// A file that is done, with its contents if it was read.
#[derive(Debug)]
pub(crate) struct CommittedFile {
    pub(crate) outcome: FileOutcome,
    pub(crate) file: Option<ParsedFile>,
}

pub(crate) type FileResult = Result<CommittedFile, FileError>;

/// A file as it was read; `None` if it was not worth reading.
type ReadResult = Result<Option<ParsedFile>, FileError>;

/// Commits files as they come, in groups. Returns the results of each group.
pub(super) fn commits<'a, T: Send + 'a>(
    pool: &'a Pool,
    metrics: &'a Metrics,
    files: mpsc::Receiver<(T, ReadResult)>,
) -> impl Stream<Item = Result<Vec<(T, FileResult)>, StoreError>> + Send + 'a {
    let groups = stream::unfold(files, async |mut files| {
        Some((next_group(&mut files).await?, files))
    });
    groups
        .map(move |group| commit_group(pool, metrics, group))
        .buffer_unordered(PARALLEL_COMMITS)
}

/// Files read since the last group, at least one; `None` when there are no more.
async fn next_group<T>(
    files: &mut mpsc::Receiver<(T, ReadResult)>,
) -> Option<Vec<(T, ReadResult)>> {
    let mut group: Vec<(T, ReadResult)> = Vec::new();
    let mut events = 0;
    let mut next = files.recv().await;
    let latest = Instant::now() + GATHERING;
    while let Some((tag, read)) = next {
        if let Ok(Some(file)) = &read {
            events += file.events();
        }
        group.push((tag, read));
        if group.len() >= MAX_FILES || events >= MAX_EVENTS {
            break;
        }
        let until = latest.min(Instant::now() + LINGER);
        next = timeout_at(until, files.recv()).await.ok().flatten();
    }
    (!group.is_empty()).then_some(group)
}

async fn commit_group<T>(
    pool: &Pool,
    metrics: &Metrics,
    group: Vec<(T, ReadResult)>,
) -> Result<Vec<(T, FileResult)>, StoreError> {
    let (mut tags, mut files, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (tag, read) in group {
        match read {
            Ok(Some(file)) => {
                tags.push(tag);
                files.push(file);
            }
            Ok(None) => {
                let outcome = FileOutcome::Ignored;
                results.push((
                    tag,
                    Ok(CommittedFile {
                        outcome,
                        file: None,
                    }),
                ));
            }
            Err(error) => results.push((tag, Err(error))),
        }
    }
    let outcomes = commit(pool, metrics, &files).await?;
    for ((tag, file), outcome) in tags.into_iter().zip(files).zip(outcomes) {
        let result = match outcome {
            Ok(outcome) => Ok(CommittedFile {
                outcome,
                file: Some(file),
            }),
            Err(source) => Err(FileError::Store {
                key: file.location.key,
                source,
            }),
        };
        results.push((tag, result));
    }
    Ok(results)
}

/// Records files in one transaction; doing it again changes nothing. If the database refuses the data of one, each
/// gets a transaction of its own, so that one cannot keep others from being recorded.
///
/// # Errors
/// When the database does not do its work: nothing may have been recorded.
async fn commit(
    pool: &Pool,
    metrics: &Metrics,
    files: &[ParsedFile],
) -> Result<Vec<Result<FileOutcome, StoreError>>, StoreError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let recorded = match write_with_retry(pool, files).await {
        Err(error) if error.is_about_data() && files.len() > 1 => {
            let mut each = Vec::with_capacity(files.len());
            for file in files {
                let alone = write_with_retry(pool, std::slice::from_ref(file)).await;
                each.extend(separate(alone)?);
            }
            each
        }
        together => separate(together)?,
    };
    for (file, recorded) in files.iter().zip(&recorded) {
        if let Ok(FileOutcome::Recorded) = recorded {
            count(metrics, file);
        }
    }
    Ok(recorded)
}

/// A refusal of data is one file's own; anything else is everybody's.
fn separate(
    result: Result<Vec<FileOutcome>, StoreError>,
) -> Result<Vec<Result<FileOutcome, StoreError>>, StoreError> {
    match result {
        Ok(recorded) => Ok(recorded.into_iter().map(Ok).collect()),
        Err(error) if error.is_about_data() => Ok(vec![Err(error)]),
        Err(error) => Err(error),
    }
}

async fn write_with_retry(
    pool: &Pool,
    files: &[ParsedFile],
) -> Result<Vec<FileOutcome>, StoreError> {
    let mut attempt = 1;
    loop {
        match write(pool, files).await {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

async fn write(pool: &Pool, files: &[ParsedFile]) -> Result<Vec<FileOutcome>, StoreError> {
    let mut transaction = pool.begin().await.doing("beginning to record log files")?;
    accounts::lock(&mut transaction, files.iter().map(|file| file.account)).await?;
    let entries: Vec<ledger::LedgerEntry<'_>> = files.iter().map(entry).collect();
    let mut new = ledger::enter(&mut transaction, &entries).await?;
    let mut recorded = Vec::with_capacity(files.len());
    let (mut events, mut tags) = (Vec::new(), Vec::new());
    for file in files {
        recorded.push(if new.remove(&entry(file).identity()) {
            events.extend_from_slice(&file.log.events);
            tags.extend_from_slice(&file.log.tags);
            FileOutcome::Recorded
        } else {
            FileOutcome::Duplicate
        });
    }
    let mut changes = Changes::default();
    events::record(&mut transaction, &events, &mut changes).await?;
    images::apply_tags(&mut transaction, &tags, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing("committing log files")?;
    Ok(recorded)
}

fn entry(file: &ParsedFile) -> ledger::LedgerEntry<'_> {
    ledger::LedgerEntry {
        bucket: &file.location.bucket,
        key: &file.location.key,
        etag: &file.etag,
        records: file.log.records,
        events: file.events() as u64,
    }
}

fn count(metrics: &Metrics, file: &ParsedFile) {
    let (key, log) = (&file.location.key, &file.log);
    for &(outcome, records) in log.outcomes.iter().filter(|(_, records)| *records > 0) {
        metrics
            .log_records
            .get_or_create(&OutcomeLabel { outcome })
            .inc_by(records);
    }
    for reason in &log.malformed {
        tracing::warn!(key, reason, "skipped a record");
    }
    if let Some(newest) = log.newest() {
        metrics
            .ingest_lag_seconds
            .set(Timestamp::now().as_second() - newest.as_second());
    }
    tracing::info!(
        key,
        records = log.records,
        events = log.events.len(),
        tags = log.tags.len(),
        "recorded a log file"
    );
}
