//! Messages and the files that they name, be they in the queue or given up before.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};

use super::committer::{FileOutcome, FileResult};
use super::file::{self, FileError, ObjectLocation};
use super::notification::{self, NotificationError};
use super::pipeline::Pipeline;
use crate::telemetry::Metrics;
use cloudigrade_cloud::{Message, Objects};
use cloudigrade_store::dead_letters::DeadLetter;
use cloudigrade_store::{Pool, StoreError};

/// Files read at the same time for the messages of one consumer; each may hold an object in memory.
pub(super) const PARALLEL_READS: usize = 4;

/// A message could not be processed, and why.
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
    /// Returns `true` if it will fail again.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Notification(_) => true,
            Self::File(error) => error.is_permanent(),
            Self::Store(_) => false,
        }
    }

    /// Returns `true` if it says nothing about the message: the cloud does not do its work.
    pub(super) fn is_cloud_outage(&self) -> bool {
        matches!(self, Self::File(error) if error.is_cloud_outage())
    }

    /// Returns `true` if every other message would fail likewise.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Notification(_) => false,
            Self::File(error) => error.is_outage(),
            Self::Store(error) => !error.is_lost_race(),
        }
    }
}

/// A message that is being processed.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) message: Message,
    /// Files without a result yet
    pub(super) pending: usize,
    pub(super) outcome: FileOutcome,
    pub(super) error: Option<MessageError>,
}

/// A file with the number of its message.
pub(super) type MessageFile = (usize, Result<ObjectLocation, FileError>);

impl InFlight {
    /// Takes in the result of one of its files.
    pub(super) fn add(&mut self, result: FileResult) {
        self.pending -= 1;
        match result {
            Ok(file) => self.outcome = self.outcome.max(file.outcome),
            // An error that may pass wins over a permanent one: the message comes back for it.
            Err(error) if self.error.as_ref().is_none_or(MessageError::is_permanent) => {
                self.error = Some(error.into());
            }
            Err(_) => {}
        }
    }
}

/// Numbers the messages and lists their files; a file outside the trail bucket is an error.
pub(super) fn parse(
    messages: Vec<Message>,
    trail_bucket: &str,
) -> (BTreeMap<usize, InFlight>, Vec<MessageFile>) {
    let mut files = Vec::new();
    let parsed = messages.into_iter().enumerate().map(|(number, message)| {
        let (locations, error) = match notification::parse(&message.body) {
            Ok(locations) => (locations, None),
            Err(error) => (Vec::new(), Some(error.into())),
        };
        let in_flight = InFlight {
            message,
            pending: locations.len(),
            outcome: FileOutcome::Ignored,
            error,
        };
        files.extend(locations.into_iter().map(|location| {
            let ours = location.bucket == trail_bucket;
            let location = if ours {
                Ok(location)
            } else {
                Err(FileError::Bucket(location.bucket))
            };
            (number, location)
        }));
        (number, in_flight)
    });
    (parsed.collect(), files)
}

/// Records every file that a dead letter names; returns the outcome in words.
///
/// # Errors
/// If one of them can't be recorded. The others may be.
pub async fn redrive<O: Objects>(
    pool: &Pool,
    metrics: &Metrics,
    objects: &O,
    trail_bucket: &str,
    letter: &DeadLetter,
) -> Result<&'static str, MessageError> {
    let message = Message {
        body: letter.body.clone(),
        ..Message::default()
    };
    let (mut messages, files) = parse(vec![message], trail_bucket);
    let accounts = file::recipients(pool, files.iter().flat_map(|(_, file)| file)).await?;
    let pipeline = Pipeline {
        pool,
        metrics,
        objects,
        accounts: &accounts,
        parallel_reads: PARALLEL_READS,
    };
    let mut groups = std::pin::pin!(pipeline.run(stream::iter(files)));
    while let Some(group) = groups.next().await {
        for (number, result) in group? {
            if let Some(message) = messages.get_mut(&number) {
                message.add(result);
            }
        }
    }
    let mut outcome = FileOutcome::Ignored;
    for message in messages.into_values() {
        if let Some(error) = message.error {
            return Err(error);
        }
        outcome = outcome.max(message.outcome);
    }
    Ok(match outcome {
        FileOutcome::Recorded => "recorded",
        FileOutcome::Duplicate => "recorded before",
        FileOutcome::Ignored => {
            "passed over: its account is not metered now, or it names no log file"
        }
    })
}
