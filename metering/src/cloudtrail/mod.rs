//! CloudTrail log files: which of their records tell that an instance went on, went off or changed
//! its type, or that an image was tagged (§4.2, §4.3).

mod file;
mod header;
mod key;
mod record;
mod skip;

#[cfg(test)]
mod tests;

use std::io::Read;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use file::{Record, Window};
pub use key::account_of_key;

/// What one log file has to say about metering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFile {
    /// Number of records in the file, of whatever kind.
    pub records: u64,
    /// Power and type changes of instances, in the order of the file.
    pub instance_events: Vec<InstanceEvent>,
    /// Metering tags set on or taken off images, in the order of the file.
    pub image_tags: Vec<ImageTag>,
    /// Records that gave neither, counted by reason.
    pub skipped: Skipped,
}

/// Records without effect. A record is counted once, under the first reason that applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Not about EC2.
    pub other_source: u64,
    /// The call was refused or failed, so nothing changed.
    pub failed_call: u64,
    /// A call that only reads.
    pub read_only: u64,
    /// An EC2 change that says nothing about power, type or metering tags.
    pub irrelevant: u64,
    /// Not readable as what it claims to be. The rest of the file is not affected.
    pub malformed: u64,
    /// What was wrong with the first few malformed records.
    pub reasons: Vec<String>,
}

/// One instance went on, went off or changed its type. One record can tell this of many instances,
/// so an event is identified by `event_id` and `instance_id` together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// CloudTrail's `eventID`.
    pub event_id: String,
    /// Twelve-digit AWS account the instance belongs to.
    pub account_id: String,
    /// AWS region code, for example `us-east-1`.
    pub region: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Image the instance was launched from; only a launch tells.
    pub image_id: Option<String>,
    /// Instance type from this event on; only a launch and a type change tell.
    pub instance_type: Option<String>,
    /// When the call was made.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Launched or started.
    PowerOn,
    /// Stopped, terminated or taken back by AWS.
    PowerOff,
    /// Given another instance type.
    AttributeChange,
}

/// A metering tag was set on an image or taken off it. The newest by `at` is the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTag {
    /// CloudTrail's `eventID`.
    pub event_id: String,
    /// Twelve-digit AWS account of the caller.
    pub account_id: String,
    /// AWS region code.
    pub region: String,
    /// Id of the AMI.
    pub image_id: String,
    /// Which of the metering tags.
    pub tag: Tag,
    /// Whether the image carries the tag from now on.
    pub present: bool,
    /// When the call was made.
    pub at: Timestamp,
}

/// The tags by which a customer tells what an image holds (§7). Their presence counts, not their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// `cloudigrade-rhel-present`
    Rhel,
    /// `cloudigrade-ocp-present`
    OpenShift,
}

impl Tag {
    /// Every metering tag.
    pub const ALL: [Tag; 2] = [Tag::Rhel, Tag::OpenShift];

    /// The key of the tag as customers write it.
    pub const fn key(self) -> &'static str {
        match self {
            Tag::Rhel => "cloudigrade-rhel-present",
            Tag::OpenShift => "cloudigrade-ocp-present",
        }
    }
}

/// Why a whole file could not be read. One unreadable record is not a reason; see [`Skipped::malformed`].
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Cut off or damaged.
    #[error("the log file is not valid JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// Some other JSON document, such as a CloudTrail digest.
    #[error(
        "the JSON is not a CloudTrail log file, which is an object with a list named `Records`: {0}"
    )]
    Shape(#[source] serde_json::Error),
}

/// Why a log file could not be read from where it comes from.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed. For a decompressor that means damaged data.
    #[error(transparent)]
    Source(std::io::Error),
    /// Larger than anything CloudTrail writes. Reading stopped there.
    #[error("the log file is larger than {limit} bytes when decompressed")]
    TooLarge {
        /// Most bytes allowed.
        limit: u64,
    },
    /// It is no log file.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Bytes of a file that [`read`] holds at first: they stay in the processor's cache while they are looked at.
const WINDOW: usize = 128 << 10;

/// How many malformed records are described in [`Skipped::reasons`].
const REASONS_KEPT: usize = 5;

/// Reads the decompressed bytes of one log file.
///
/// Only records that matter are read in full. Of all others no more is looked at than where they end and the
/// names that tell what they are about; each may be of any kind and size.
///
/// # Errors
/// Only if the file as a whole is not a CloudTrail log file.
pub fn parse(json: &[u8]) -> Result<LogFile, LogError> {
    match Window::whole(json).log() {
        Ok(file) => Ok(file),
        Err(ReadError::Log(error)) => Err(error),
        // Memory is no source that fails, and has no limit.
        Err(other) => Err(LogError::Syntax(serde::de::Error::custom(other))),
    }
}

/// Reads one log file of at most `limit` bytes as it is decompressed, for example by flate2's `MultiGzDecoder`.
/// Of the file no more than a window is held at once, 128 KiB or some times the longest record.
///
/// # Errors
/// If the source fails, gives more than `limit` bytes, or gives what is not a CloudTrail log file.
pub fn read(json: impl Read, limit: u64) -> Result<LogFile, ReadError> {
    Window::sliding(json, limit, WINDOW).log()
}

impl<R: Read> Window<'_, R> {
    fn log(self) -> Result<LogFile, ReadError> {
        let mut file = LogFile::default();
        self.records(|record| file.add(record))?;
        Ok(file)
    }
}

impl LogFile {
    fn add(&mut self, record: Record<'_>) {
        match record::read(record) {
            Ok(record::Meaning::Instances(events)) => self.instance_events.extend(events),
            Ok(record::Meaning::Tags(tags)) => self.image_tags.extend(tags),
            Ok(record::Meaning::None(reason)) => self.skipped.count(reason),
            Err(reason) => self.skipped.malformed(self.records, &reason),
        }
        self.records += 1;
    }
}

impl Skipped {
    fn count(&mut self, reason: record::Reason) {
        *match reason {
            record::Reason::OtherSource => &mut self.other_source,
            record::Reason::FailedCall => &mut self.failed_call,
            record::Reason::ReadOnly => &mut self.read_only,
            record::Reason::Irrelevant => &mut self.irrelevant,
        } += 1;
    }

    fn malformed(&mut self, position: u64, error: &record::Malformed) {
        self.malformed += 1;
        if self.reasons.len() < REASONS_KEPT {
            // The message may quote the record, which can be of any size.
            self.reasons.push(
                format!("record {position}: {error}")
                    .chars()
                    .take(300)
                    .collect(),
            );
        }
    }
}
