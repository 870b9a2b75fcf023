//! One log file: who it belongs to, what is in it, and the one transaction that records it.

use jiff::Timestamp;
use metering::cloudtrail::{ImageTag, InstanceEvent, LogFile, account_of_key};
use sqlx::PgPool;

use super::contents::{self, ContentsError, MAX_LOG, MAX_OBJECT};
use super::notification::Put;
use crate::cloud::{ObjectError, Objects};
use crate::observe::{Metrics, Outcome};
use crate::store::StoreError;
use crate::store::events::{self, NewEvent};
use crate::store::images;
use crate::store::ledger::{self, Recipient};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recorded {
    /// Nobody meters its account, or it is no log file
    Ignored,
    /// It was recorded before
    Already,
    /// Its events are in the database now
    Now,
}

/// Why a file could not be recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("bucket {0} is not the trail bucket")]
    Bucket(String),
    #[error("{key}: {source}")]
    Object { key: String, source: ObjectError },
    #[error("{key}: {source}")]
    Contents { key: String, source: ContentsError },
    #[error("{key}: {source}")]
    Store { key: String, source: StoreError },
    #[error("{key}: reading was cut short: {source}")]
    Thread {
        key: String,
        source: tokio::task::JoinError,
    },
}

impl FileError {
    /// Whether the same file would fail in the same way the next time.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Bucket(_) | Self::Contents { .. } => true,
            Self::Object { source, .. } => {
                matches!(source, ObjectError::Missing | ObjectError::TooLarge { .. })
            }
            Self::Store { source, .. } => source.is_about_data(),
            Self::Thread { .. } => false,
        }
    }

    /// Whether any other file would fail too, because the database does not do its work.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Store { source, .. } => !source.is_about_data() && !source.is_lost_race(),
            _ => false,
        }
    }
}

/// Where files come from and go to.
pub(super) struct Files<'a, O> {
    pub(super) objects: &'a O,
    pub(super) pool: &'a PgPool,
    pub(super) trail_bucket: &'a str,
    pub(super) metrics: &'a Metrics,
}

impl<O: Objects> Files<'_, O> {
    /// Reads and records one file; doing it again changes nothing.
    pub(super) async fn record(&self, put: Put) -> Result<Recorded, FileError> {
        let Put { bucket, key } = put;
        if bucket != self.trail_bucket {
            return Err(FileError::Bucket(bucket));
        }
        // Nothing is read for accounts nobody meters: trails that customers forgot would cost for ever (§4.1).
        let Some(account) = account_of_key(&key) else {
            return Ok(Recorded::Ignored);
        };
        let recipient = ledger::recipient(self.pool, account).await;
        let Some(recipient) = recipient.map_err(|source| FileError::Store {
            key: key.clone(),
            source,
        })?
        else {
            return Ok(Recorded::Ignored);
        };
        let object = self.objects.get(&bucket, &key, MAX_OBJECT).await;
        let object = object.map_err(|source| FileError::Object {
            key: key.clone(),
            source,
        })?;
        let log = {
            let key = key.clone();
            tokio::task::spawn_blocking(move || contents::read(&key, &object.bytes, MAX_LOG)).await
        };
        let log = log
            .map_err(|source| FileError::Thread {
                key: key.clone(),
                source,
            })?
            .map_err(|source| FileError::Contents {
                key: key.clone(),
                source,
            })?;
        let relevant = Relevant::of(log, account, recipient.enabled_at);
        let recorded = self
            .write(recipient, &bucket, &key, &object.etag, &relevant)
            .await;
        let recorded = recorded.map_err(|source| FileError::Store {
            key: key.clone(),
            source,
        })?;
        if recorded == Recorded::Now {
            relevant.count(self.metrics, &key);
        }
        Ok(recorded)
    }

    async fn write(
        &self,
        recipient: Recipient,
        bucket: &str,
        key: &str,
        etag: &str,
        relevant: &Relevant,
    ) -> Result<Recorded, StoreError> {
        use crate::store::Doing;
        let mut transaction = self
            .pool
            .begin()
            .await
            .doing("beginning to record a log file")?;
        // The account may have been suspended or released since it was looked up.
        if !ledger::lock(&mut transaction, recipient.enrolment).await? {
            return Ok(Recorded::Ignored);
        }
        let events = (relevant.events.len() + relevant.tags.len()) as u64;
        let file = ledger::LogFile {
            bucket,
            key,
            etag,
            records: relevant.records,
            events,
        };
        if !ledger::enter(&mut transaction, file).await? {
            return Ok(Recorded::Already);
        }
        events::record(&mut transaction, recipient.enrolment, &relevant.events).await?;
        images::apply_tags(&mut transaction, &relevant.tags).await?;
        transaction.commit().await.doing("committing a log file")?;
        Ok(Recorded::Now)
    }
}

/// What counts of a log file.
#[derive(Debug)]
struct Relevant {
    records: u64,
    events: Vec<NewEvent>,
    tags: Vec<ImageTag>,
    newest: Option<Timestamp>,
    /// Number of records by what became of them.
    outcomes: Vec<(&'static str, u64)>,
    malformed: Vec<String>,
}

impl Relevant {
    /// Leaves out what is of another account than the file's, and what happened before the account was enabled (§4.2).
    fn of(log: LogFile, account: &str, enabled_at: Timestamp) -> Self {
        let LogFile {
            records,
            instance_events,
            image_tags,
            skipped,
        } = log;
        let (mut foreign, mut early) = (0, 0);
        let mut counts = |of: &str, at: Timestamp| {
            let (is_foreign, is_early) = (of != account, at < enabled_at);
            foreign += u64::from(is_foreign);
            early += u64::from(is_early && !is_foreign);
            !is_foreign && !is_early
        };
        let events: Vec<NewEvent> = instance_events
            .into_iter()
            .filter(|event| counts(&event.account_id, event.at))
            .map(NewEvent::from)
            .collect();
        let tags: Vec<ImageTag> = image_tags
            .into_iter()
            .filter(|tag| counts(&tag.account_id, tag.at))
            .collect();
        let outcomes = vec![
            ("event", events.len() as u64),
            ("tag", tags.len() as u64),
            ("other_source", skipped.other_source),
            ("failed_call", skipped.failed_call),
            ("read_only", skipped.read_only),
            ("irrelevant", skipped.irrelevant),
            ("malformed", skipped.malformed),
            ("other_account", foreign),
            ("before_enabled", early),
        ];
        let newest = events
            .iter()
            .map(|event| event.at)
            .chain(tags.iter().map(|tag| tag.at))
            .max();
        Self {
            records,
            events,
            tags,
            newest,
            outcomes,
            malformed: skipped.reasons,
        }
    }

    fn count(&self, metrics: &Metrics, key: &str) {
        for &(outcome, records) in self.outcomes.iter().filter(|(_, records)| *records > 0) {
            metrics
                .log_records
                .get_or_create(&Outcome { outcome })
                .inc_by(records);
        }
        for reason in &self.malformed {
            tracing::warn!(key, reason, "skipped a record");
        }
        if let Some(newest) = self.newest {
            metrics
                .ingest_lag_seconds
                .set(Timestamp::now().as_second() - newest.as_second());
        }
        let (events, tags) = (self.events.len(), self.tags.len());
        tracing::info!(
            key,
            records = self.records,
            events,
            tags,
            "recorded a log file"
        );
    }
}

impl From<InstanceEvent> for NewEvent {
    fn from(event: InstanceEvent) -> Self {
        let InstanceEvent {
            event_id,
            account_id: _,
            region,
            instance_id,
            image_id,
            instance_type,
            at,
            kind,
        } = event;
        Self {
            event_id,
            instance_id,
            region,
            image_id,
            kind,
            at,
            instance_type,
        }
    }
}
