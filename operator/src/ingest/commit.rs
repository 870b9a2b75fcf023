//! Files that were read become rows: many in one transaction, so that each costs a small share of its statements.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::file::ReadFile;
use crate::telemetry::{Metrics, OutcomeLabel};
use cloudigrade_store::{Doing, Pool, StoreError, events, images, ledger, locks};

/// Attempts at a transaction that loses against others.
const ATTEMPTS: u32 = 3;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    /// Nobody meters its account, or it is no log file
    Ignored,
    /// It was recorded before
    Already,
    /// Its events are in the database now
    Now,
}

/// Records files in one transaction; doing it again changes nothing. If the database refuses what is in one of them, each
/// has a transaction of its own, so that it keeps no other from being recorded.
///
/// # Errors
/// When the database does not do its work: nothing may have been recorded.
pub(crate) async fn commit(
    pool: &Pool,
    metrics: &Metrics,
    files: &[ReadFile],
) -> Result<Vec<Result<Recorded, StoreError>>, StoreError> {
    let recorded = match write_or_race(pool, files).await {
        Err(error) if error.is_about_data() && files.len() > 1 => {
            let mut each = Vec::with_capacity(files.len());
            for file in files {
                let alone = write_or_race(pool, std::slice::from_ref(file)).await;
                each.extend(separate(alone)?);
            }
            each
        }
        together => separate(together)?,
    };
    for (file, recorded) in files.iter().zip(&recorded) {
        if let Ok(Recorded::Now) = recorded {
            count(metrics, file);
        }
    }
    Ok(recorded)
}

/// A refusal of data is one file's own; anything else is everybody's.
fn separate(
    result: Result<Vec<Recorded>, StoreError>,
) -> Result<Vec<Result<Recorded, StoreError>>, StoreError> {
    match result {
        Ok(recorded) => Ok(recorded.into_iter().map(Ok).collect()),
        Err(error) if error.is_about_data() => Ok(vec![Err(error)]),
        Err(error) => Err(error),
    }
}

async fn write_or_race(pool: &Pool, files: &[ReadFile]) -> Result<Vec<Recorded>, StoreError> {
    let mut attempt = 1;
    loop {
        match write(pool, files).await {
            Err(error) if error.is_lost_race() && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

async fn write(pool: &Pool, files: &[ReadFile]) -> Result<Vec<Recorded>, StoreError> {
    let mut transaction = pool.begin().await.doing("beginning to record log files")?;
    // An account may have been suspended or released since it was looked up.
    let enrolments: BTreeSet<i64> = files.iter().map(|file| file.enrolment).collect();
    let open = locks::lock_exclusive(&mut transaction, &Vec::from_iter(enrolments)).await?;
    let entries: Vec<ledger::LedgerEntry<'_>> = files
        .iter()
        .filter(|file| open.contains(&file.enrolment))
        .map(entry)
        .collect();
    let mut new = ledger::enter(&mut transaction, &entries).await?;
    let mut recorded = Vec::with_capacity(files.len());
    let (mut events, mut tags) = (Vec::new(), Vec::new());
    for file in files {
        let of_file = entry(file);
        recorded.push(if !open.contains(&file.enrolment) {
            Recorded::Ignored
        } else if new.remove(&of_file.identity()) {
            events.extend_from_slice(&file.relevant.events);
            tags.extend_from_slice(&file.relevant.tags);
            Recorded::Now
        } else {
            Recorded::Already
        });
    }
    events::record(&mut transaction, &events).await?;
    images::apply_tags(&mut transaction, &tags).await?;
    transaction.commit().await.doing("committing log files")?;
    Ok(recorded)
}

fn entry(file: &ReadFile) -> ledger::LedgerEntry<'_> {
    ledger::LedgerEntry {
        bucket: &file.location.bucket,
        key: &file.location.key,
        etag: &file.etag,
        records: file.relevant.records,
        events: file.events() as u64,
    }
}

fn count(metrics: &Metrics, file: &ReadFile) {
    let (key, relevant) = (&file.location.key, &file.relevant);
    for &(outcome, records) in relevant.outcomes.iter().filter(|(_, records)| *records > 0) {
        metrics
            .log_records
            .get_or_create(&OutcomeLabel { outcome })
            .inc_by(records);
    }
    for reason in &relevant.malformed {
        tracing::warn!(key, reason, "skipped a record");
    }
    if let Some(newest) = relevant.newest() {
        metrics
            .ingest_lag_seconds
            .set(Timestamp::now().as_second() - newest.as_second());
    }
    tracing::info!(
        key,
        records = relevant.records,
        events = relevant.events.len(),
        tags = relevant.tags.len(),
        "recorded a log file"
    );
}
