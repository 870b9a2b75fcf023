//! The ledger of recorded log files.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::{Doing, StoreError};

/// One log file and what was in it.
#[derive(Clone, Copy, Debug)]
pub struct LedgerEntry<'a> {
    /// Where it lies
    pub bucket: &'a str,
    /// Under which key, decoded
    pub key: &'a str,
    /// Its version
    pub etag: &'a str,
    /// Records of any kind
    pub records: u64,
    /// Instance events and tag changes that count
    pub events: u64,
}

impl LedgerEntry<'_> {
    /// Bucket, key and etag: what tells it from every other.
    pub fn identity(&self) -> (String, String, String) {
        (self.bucket.into(), self.key.into(), self.etag.into())
    }
}

/// Enters files. Gives those that were not there: of the others the events are there too.
pub async fn enter(
    connection: &mut PgConnection,
    files: &[LedgerEntry<'_>],
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
