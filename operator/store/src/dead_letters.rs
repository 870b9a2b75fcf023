//! Messages that could not be processed, with the reason, until someone has looked.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgExecutor;

use super::{Doing, StoreError};

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Number by which a person names it
    pub id: i64,
    /// Id of the message in the queue
    pub message_id: String,
    /// Why it was given up
    pub reason: String,
    /// How often it was handed out
    pub receives: i32,
    /// When it was given up first
    pub received_at: Timestamp,
    /// The message
    pub body: String,
}

/// Letters with these ids, or all of them; the newest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    ids: Option<&[i64]>,
) -> Result<Vec<DeadLetter>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, message_id, reason, receives, received_at as "received_at: jiff_sqlx::Timestamp", body
             from dead_letter where $1::bigint[] is null or id = any($1) order by id desc"#,
        ids as _,
    )
    .fetch_all(executor)
    .await
    .doing("reading dead letters")?;
    let letters = rows.into_iter().map(|row| DeadLetter {
        id: row.id,
        message_id: row.message_id,
        reason: row.reason,
        receives: row.receives,
        received_at: row.received_at.to_jiff(),
        body: row.body,
    });
    Ok(letters.collect())
}

/// Deletes a dead letter.
pub async fn delete(executor: impl PgExecutor<'_>, id: i64) -> Result<(), StoreError> {
    sqlx::query!("delete from dead_letter where id = $1", id)
        .execute(executor)
        .await
        .doing("deleting a dead letter")?;
    Ok(())
}

/// Inserts a message that could not be processed, with the reason.
pub async fn insert(
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
    .doing("inserting a dead letter")?;
    Ok(())
}
