//! Which log files were recorded, for whom, and which messages could not be.

use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{PgConnection, PgExecutor};

use super::{Doing, StoreError};

/// Who the events of a cloud account are recorded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Row id
    pub enrolment: i64,
    /// Events before do not count
    pub enabled_at: Timestamp,
}

/// The enrolment that meters `account` now; none if nobody does, or it is not enabled yet, or suspended.
///
/// # Errors
/// When the statement fails.
pub async fn recipient(
    executor: impl PgExecutor<'_>,
    account: &str,
) -> Result<Option<Recipient>, StoreError> {
    let row = sqlx::query!(
        r#"select id, enabled_at as "enabled_at!: SqlTimestamp" from enrolment
            where cloud = 'aws' and cloud_account_id = $1
              and released_at is null and enabled_at is not null and not suspended"#,
        account,
    )
    .fetch_optional(executor)
    .await
    .doing("looking up who meters a cloud account")?;
    Ok(row.map(|row| Recipient {
        enrolment: row.id,
        enabled_at: row.enabled_at.to_jiff(),
    }))
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

/// Keeps the enrolment as it is until the end of the transaction; whether it still takes events.
///
/// # Errors
/// When the statement fails.
pub async fn lock(connection: &mut PgConnection, enrolment: i64) -> Result<bool, StoreError> {
    let row = sqlx::query!(
        "select id from enrolment where id = $1 and released_at is null and not suspended for no key update",
        enrolment,
    )
    .fetch_optional(connection)
    .await
    .doing("locking the enrolment")?;
    Ok(row.is_some())
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

/// Enters a file; `false` if it is there already and its events with it.
///
/// # Errors
/// When the statement fails.
pub async fn enter(connection: &mut PgConnection, file: LogFile<'_>) -> Result<bool, StoreError> {
    let result = sqlx::query!(
        "insert into log_file (bucket, key, etag, records, events) values ($1, $2, $3, $4, $5) on conflict do nothing",
        file.bucket,
        file.key,
        file.etag,
        file.records.cast_signed(),
        file.events.cast_signed(),
    )
    .execute(connection)
    .await
    .doing("entering a log file into the ledger")?;
    Ok(result.rows_affected() == 1)
}

/// Keeps a message that could not be processed, and why, until someone has looked.
///
/// # Errors
/// When the statement fails.
pub async fn bury(
    executor: impl PgExecutor<'_>,
    message: &str,
    body: &str,
    reason: &str,
    receives: u32,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into dead_letter (message_id, body, reason, receives) values ($1, $2, $3, $4)
         on conflict (message_id) do update set reason = excluded.reason, receives = excluded.receives",
        message,
        // Postgres takes every character in a text but this one.
        body.replace('\0', "\u{fffd}"),
        reason.replace('\0', "\u{fffd}"),
        receives.cast_signed(),
    )
    .execute(executor)
    .await
    .doing("keeping a message that could not be processed")?;
    Ok(())
}
