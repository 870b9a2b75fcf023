//! A message outside the queue: one that was given up and is processed again.

use std::collections::BTreeSet;

use super::commit::{self, Recorded};
use super::file::{self, FileError};
use super::notification::{self, NotificationError};
use crate::telemetry::Metrics;
use cloudigrade_cloud::Objects;
use cloudigrade_store::{Pool, StoreError, enrolments};

/// Why a message could not be processed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum MessageError {
    #[error(transparent)]
    Notification(#[from] NotificationError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MessageError {
    /// Whether it will fail again.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Notification(_) => true,
            Self::File(error) => error.is_permanent(),
            Self::Store(_) => false,
        }
    }

    /// Whether every other message would fail likewise.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Notification(_) => false,
            Self::File(error) => error.is_outage(),
            Self::Store(error) => !error.is_lost_race(),
        }
    }
}

/// Records every file a message names, in one transaction; says what became of them.
///
/// # Errors
/// If one of them can't be recorded. The others may be.
pub async fn record_message<O: Objects>(
    pool: &Pool,
    metrics: &Metrics,
    objects: &O,
    trail_bucket: &str,
    body: &str,
) -> Result<&'static str, MessageError> {
    let locations = notification::parse(body)?;
    if let Some(other) = locations.iter().find(|file| file.bucket != trail_bucket) {
        return Err(FileError::Bucket(other.bucket.clone()).into());
    }
    let accounts: BTreeSet<&str> = locations.iter().filter_map(file::account).collect();
    let recipients = enrolments::metered_accounts(pool, &Vec::from_iter(accounts)).await?;
    let mut files = Vec::new();
    for location in locations.iter().cloned() {
        files.extend(file::read(objects, location, &recipients).await?);
    }
    let mut all = Recorded::Ignored;
    for (file, recorded) in files
        .iter()
        .zip(commit::commit(pool, metrics, &files).await?)
    {
        all = all.max(recorded.map_err(|source| FileError::Store {
            key: file.location.key.clone(),
            source,
        })?);
    }
    Ok(match all {
        Recorded::Now => "recorded",
        Recorded::Already => "recorded before",
        Recorded::Ignored => "passed over: nobody meters its account now, or it names no log file",
    })
}
