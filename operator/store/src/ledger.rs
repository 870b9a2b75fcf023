//! Which log files were recorded, for whom, and which messages could not be.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{PgConnection, PgExecutor};

use super::{Doing, StoreError};

/// Who the events of a cloud account are recorded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Row id
    pub enrolment: i64,
    /// Events before do not count: the account was not enabled yet, or they are older than what is kept
    pub counts_since: Timestamp,
}

/// The enrolments that meter `accounts` now; an account has none if nobody does, or it is not enabled yet, or suspended.
///
/// # Errors
/// When the statement fails.
pub async fn recipients(
    executor: impl PgExecutor<'_>,
    accounts: &[&str],
) -> Result<HashMap<String, Recipient>, StoreError> {
    let rows = sqlx::query!(
        r#"select cloud_account_id, id,
                  greatest(enabled_at, (select kept_since from retention)) as "counts_since!: SqlTimestamp"
             from enrolment
            where cloud = 'aws' and cloud_account_id = any($1)
              and released_at is null and enabled_at is not null and not suspended"#,
        accounts as _,
    )
    .fetch_all(executor)
    .await
    .doing("looking up who meters cloud accounts")?;
    let of_row = rows.into_iter().map(|row| {
        let recipient = Recipient {
            enrolment: row.id,
            counts_since: row.counts_since.to_jiff(),
        };
        (row.cloud_account_id, recipient)
    });
    Ok(of_row.collect())
}

/// Whether the database is there, with the schema in it.
///
/// # Errors
/// When it is not.
pub async fn ping(executor: impl PgExecutor<'_>) -> Result<(), StoreError> {
    sqlx::query!("select id from enrolment limit 1")
        .fetch_optional(executor)
        .await
        .doing("reading the database")?;
    Ok(())
}

/// Keeps enrolments as they are until the end of the transaction; those of them that still take events.
/// They are locked in the order of their ids, so that two transactions cannot wait for each other in a circle.
///
/// # Errors
/// When the statement fails.
pub async fn lock(
    connection: &mut PgConnection,
    enrolments: &[i64],
) -> Result<HashSet<i64>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, released_at is null and not suspended as "open!" from enrolment
            where id = any($1) order by id for no key update"#,
        enrolments,
    )
    .fetch_all(connection)
    .await
    .doing("locking enrolments")?;
    let open = rows.into_iter().filter(|row| row.open);
    Ok(open.map(|row| row.id).collect())
}

/// One log file and what was in it.
#[derive(Clone, Copy, Debug)]
pub struct LogFile<'a> {
    /// Where it lies
    pub bucket: &'a str,
    /// Under which key, decoded
    pub key: &'a str,
    /// Which version of it
    pub etag: &'a str,
    /// Records of any kind
    pub records: u64,
    /// Instance events and tag changes that count
    pub events: u64,
}

impl LogFile<'_> {
    /// Bucket, key and etag: what tells it from every other.
    pub fn identity(&self) -> (String, String, String) {
        (self.bucket.into(), self.key.into(), self.etag.into())
    }
}

/// Enters files. Gives those that were not there: of the others the events are there too.
///
/// # Errors
/// When the statement fails.
pub async fn enter(
    connection: &mut PgConnection,
    files: &[LogFile<'_>],
) -> Result<HashSet<(String, String, String)>, StoreError> {
    let buckets: Vec<&str> = files.iter().map(|file| file.bucket).collect();
    let keys: Vec<&str> = files.iter().map(|file| file.key).collect();
    let etags: Vec<&str> = files.iter().map(|file| file.etag).collect();
    let records: Vec<i64> = files
        .iter()
        .map(|file| file.records.cast_signed())
        .collect();
    let events: Vec<i64> = files.iter().map(|file| file.events.cast_signed()).collect();
    let rows = sqlx::query!(
        "insert into log_file (bucket, key, etag, records, events)
         select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
         on conflict do nothing
         returning bucket, key, etag",
        &buckets as _,
        &keys as _,
        &etags as _,
        &records,
        &events,
    )
    .fetch_all(connection)
    .await
    .doing("entering log files into the ledger")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.bucket, row.key, row.etag))
        .collect())
}
