//! One log file: its account, and the part of it that counts.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use metering::cloudtrail::{
    ImageTag, InstanceEvent, LogFile, account_of_key, delivery_time_of_key,
};
use tokio::time::timeout;

use super::contents::{self, ContentsError, MAX_LOG, MAX_OBJECT};
use cloudigrade_cloud::{ErrorKind, ObjectError, Objects};
use cloudigrade_store::accounts::{self, Recipient};
use cloudigrade_store::{AccountKey, NewEvent, Pool, StoreError};

/// Longest time to get an object; it is tried again later.
const GET_TIMEOUT: Duration = Duration::from_secs(45);

/// The bucket and key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ObjectLocation {
    pub bucket: String,
    pub key: String,
}

/// Those of some accounts that are metered, or were, by account id.
pub type Recipients = HashMap<String, Recipient>;

/// A file could not be recorded, and why.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("bucket {0} is not the trail bucket")]
    Bucket(String),
    #[error("listing {location}: {why}")]
    List { location: String, why: String },
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
    /// Returns `true` if the same file would fail in the same way the next time.
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

    /// Returns `true` if the cloud, or our access to it, does not work.
    pub(crate) fn is_cloud_outage(&self) -> bool {
        let Self::Object {
            source: ObjectError::Cloud(error),
            ..
        } = self
        else {
            return false;
        };
        matches!(
            error.kind,
            ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Credentials
        )
    }

    /// Returns `true` if any other file would fail too, because the database does not do its work.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Store { source, .. } => !source.is_about_data() && !source.is_lost_race(),
            _ => false,
        }
    }
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) location: ObjectLocation,
    pub(crate) etag: String,
    /// Size of the object in bytes
    pub(crate) bytes: u64,
    pub(crate) account: AccountKey,
    pub(crate) log: ParsedLog,
}

impl ParsedFile {
    /// Instance events and tag changes that count.
    pub(crate) fn events(&self) -> usize {
        self.log.events.len() + self.log.tags.len()
    }
}

/// Finds those of the accounts whose trails wrote the files that are metered, or were.
pub(super) async fn recipients<'a>(
    pool: &Pool,
    files: impl Iterator<Item = &'a ObjectLocation>,
) -> Result<Recipients, StoreError> {
    let account_ids: BTreeSet<&str> = files
        .filter_map(|location| account_of_key(&location.key))
        .collect();
    accounts::recipients(pool, &Vec::from_iter(account_ids)).await
}

/// Reads one file; returns `None` for one that can hold nothing metered, without reading: trails that customers forgot would cost for
/// ever (docs/design/original.md#log-files).
pub(super) async fn read<O: Objects>(
    objects: &O,
    location: ObjectLocation,
    recipients: &Recipients,
) -> Result<Option<ParsedFile>, FileError> {
    let Some((account, recipient)) = account_of_key(&location.key)
        .and_then(|account| recipients.get_key_value(account))
        .filter(|(_, recipient)| recipient.wants(delivery_time_of_key(&location.key)))
    else {
        return Ok(None);
    };
    let ObjectLocation { bucket, key } = &location;
    let object = timeout(GET_TIMEOUT, objects.get(bucket, key, MAX_OBJECT))
        .await
        .map_err(|_| FileError::Timeout {
            key: key.clone(),
            seconds: GET_TIMEOUT.as_secs(),
        })?
        .map_err(|source| FileError::Object {
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
    Ok(Some(ParsedFile {
        etag: object.etag,
        bytes,
        account: recipient.account,
        log: ParsedLog::of(log, account, recipient),
        location,
    }))
}

/// The part of a log file that counts.
#[derive(Debug, Default)]
pub(crate) struct ParsedLog {
    pub(crate) records: u64,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) tags: Vec<ImageTag>,
    /// Numbers of records by outcome.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
    /// Reasons why some records could not be read.
    pub(crate) malformed: Vec<String>,
}

impl ParsedLog {
    /// Leaves out records of another account than the file's (docs/design/original.md#records) and those older than the retention. Records
    /// of times at which the account is not metered stay: the runs that they make are clipped.
    fn of(log: LogFile, account: &str, recipient: &Recipient) -> Self {
        let LogFile {
            records,
            instance_events,
            image_tags,
            looks,
            skipped,
        } = log;
        let (mut foreign, mut expired) = (0, 0);
        let mut counts = |of: &str, at: Timestamp| {
            // An event of AWS itself may name no account: it is the file's.
            let is_foreign = !of.is_empty() && of != account;
            let is_expired = recipient.kept_since.is_some_and(|since| at < since);
            foreign += u64::from(is_foreign);
            expired += u64::from(is_expired && !is_foreign);
            !is_foreign && !is_expired
        };
        let events: Vec<NewEvent> = instance_events
            .into_iter()
            .filter(|event| counts(&event.account_id, event.at))
            .map(|event| new_event(event, recipient.account))
            .collect();
        let tags: Vec<ImageTag> = image_tags
            .into_iter()
            .filter(|tag| counts(&tag.account_id, tag.at))
            .collect();
        let outcomes = vec![
            ("event", events.len() as u64),
            ("tag", tags.len() as u64),
            ("only_a_look_tells", looks.len() as u64),
            ("other_source", skipped.other_source),
            ("failed_call", skipped.failed_call),
            ("read_only", skipped.read_only),
            ("irrelevant", skipped.irrelevant),
            ("malformed", skipped.malformed),
            ("other_account", foreign),
            ("expired", expired),
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

fn new_event(event: InstanceEvent, account: AccountKey) -> NewEvent {
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
        account,
        event_id,
        instance_id,
        region,
        image_id,
        kind,
        at,
        instance_type,
    }
}
