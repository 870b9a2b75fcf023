//! One log file: who it belongs to and what of it counts.

use std::collections::HashMap;

use jiff::Timestamp;
use metering::cloudtrail::{ImageTag, InstanceEvent, LogFile, account_of_key};

use super::contents::{self, ContentsError, MAX_LOG, MAX_OBJECT};
use cloudigrade_cloud::{ObjectError, Objects};
use cloudigrade_store::NewEvent;
use cloudigrade_store::StoreError;
use cloudigrade_store::enrolments::MeteredAccount;

/// Where a file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Location {
    pub bucket: String,
    pub key: String,
}

/// Who meters which account.
pub type Recipients = HashMap<String, MeteredAccount>;

/// Why a file could not be recorded.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("bucket {0} is not the trail bucket")]
    Bucket(String),
    #[error("listing {place}: {why}")]
    List { place: String, why: String },
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
    #[error("{key}: not read within {seconds} s")]
    Timeout { key: String, seconds: u64 },
}

impl FileError {
    /// Whether the same file would fail in the same way the next time.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Bucket(_) | Self::Contents { .. } => true,
            Self::Object { source, .. } => {
                matches!(source, ObjectError::Missing | ObjectError::TooLarge { .. })
            }
            Self::Store { source, .. } => source.is_about_data(),
            Self::List { .. } | Self::Thread { .. } | Self::Timeout { .. } => false,
        }
    }

    /// Whether any other file would fail too, because the database does not do its work.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Store { source, .. } => !source.is_about_data() && !source.is_lost_race(),
            _ => false,
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) location: Location,
    pub(crate) etag: String,
    /// Size of the object in bytes
    pub(crate) bytes: u64,
    pub(crate) enrolment: i64,
    pub(crate) relevant: Relevant,
}

impl ReadFile {
    /// Instance events and tag changes that count.
    pub(crate) fn events(&self) -> usize {
        self.relevant.events.len() + self.relevant.tags.len()
    }
}

/// The account whose trail wrote the file; none if it is no log file of a trail.
pub(crate) fn account(location: &Location) -> Option<&str> {
    account_of_key(&location.key)
}

/// Reads one file; `None` if nobody meters its account. Nothing is read then: trails that customers forgot would cost
/// for ever (§4.1).
pub(crate) async fn read<O: Objects>(
    objects: &O,
    location: Location,
    recipients: &Recipients,
) -> Result<Option<ReadFile>, FileError> {
    let Some((account, recipient)) =
        account(&location).and_then(|account| recipients.get_key_value(account))
    else {
        return Ok(None);
    };
    let Location { bucket, key } = &location;
    let object = objects.get(bucket, key, MAX_OBJECT).await;
    let object = object.map_err(|source| FileError::Object {
        key: key.clone(),
        source,
    })?;
    let bytes = object.bytes.len() as u64;
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
    Ok(Some(ReadFile {
        etag: object.etag,
        bytes,
        enrolment: recipient.enrolment,
        relevant: Relevant::of(log, account, *recipient),
        location,
    }))
}

/// What counts of a log file.
#[derive(Debug, Default)]
pub(crate) struct Relevant {
    pub(crate) records: u64,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) tags: Vec<ImageTag>,
    /// Number of records by what became of them.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
    /// What was wrong with some of those that could not be read.
    pub(crate) malformed: Vec<String>,
}

impl Relevant {
    /// Leaves out what is of another account than the file's, and what happened before the account was enabled (§4.2), or
    /// longer ago than is kept.
    fn of(log: LogFile, account: &str, recipient: MeteredAccount) -> Self {
        let LogFile {
            records,
            instance_events,
            image_tags,
            skipped,
        } = log;
        let (mut foreign, mut early) = (0, 0);
        let mut counts = |of: &str, at: Timestamp| {
            let (is_foreign, is_early) = (of != account, at < recipient.counts_since);
            foreign += u64::from(is_foreign);
            early += u64::from(is_early && !is_foreign);
            !is_foreign && !is_early
        };
        let events: Vec<NewEvent> = instance_events
            .into_iter()
            .filter(|event| counts(&event.account_id, event.at))
            .map(|event| new_event(event, recipient.enrolment))
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
        Self {
            records,
            events,
            tags,
            outcomes,
            malformed: skipped.reasons,
        }
    }

    /// Time of the newest event.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        let events = self.events.iter().map(|event| event.at);
        events.chain(self.tags.iter().map(|tag| tag.at)).max()
    }
}

fn new_event(event: InstanceEvent, enrolment: i64) -> NewEvent {
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
    NewEvent {
        enrolment,
        event_id,
        instance_id,
        region,
        image_id,
        kind,
        at,
        instance_type,
    }
}
