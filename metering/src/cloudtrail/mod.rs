//! Reads CloudTrail log files: records of an instance that went on, went off or changed its type, and of an image
//! that was tagged. Selection of records: `docs/design/original.md#records`.

mod body;
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
pub use key::{account_of_key, delivery_time_of_key};

/// The content of one log file, as far as metering goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFile {
    /// Number of records in the file, of every kind.
    pub records: u64,
    /// Power and type changes of instances, in the order of the file.
    pub instance_events: Vec<InstanceEvent>,
    /// Metering tags set on or taken off images, in the order of the file.
    pub image_tags: Vec<ImageTag>,
    /// Regions of which only a look can tell what became of a record, in the order of the file.
    pub looks: Vec<LookRequest>,
    /// Records without any of these, counted by reason.
    pub skipped: Skipped,
}

/// Records without effect. A record is counted once, under the first reason that applies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Not about instances.
    pub other_source: u64,
    /// The call was refused or failed, so nothing changed.
    pub failed_call: u64,
    /// A call that only reads.
    pub read_only: u64,
    /// An EC2 change without effect on power, type or metering tags.
    pub irrelevant: u64,
    /// Not readable as the kind of record it claims to be. The rest of the file is not affected.
    pub malformed: u64,
    /// Descriptions of the first few malformed records.
    pub reasons: Vec<String>,
}

/// One instance went on, went off or changed its type. One record can be about many instances, so an event is
/// identified by `event_id` and `instance_id` together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// CloudTrail's `eventID`.
    pub event_id: String,
    /// Twelve-digit AWS account the instance belongs to; empty if the record names none, which an event of AWS itself
    /// may. It is the file's account then.
    pub account_id: String,
    /// AWS region code, for example `us-east-1`.
    pub region: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Image the instance was launched from; present in a launch only.
    pub image_id: Option<String>,
    /// Instance type from this event on; present in a launch and a type change only.
    pub instance_type: Option<String>,
    /// Time of the call.
    pub at: Timestamp,
    /// Kind of the change.
    pub kind: EventKind,
}

/// A record that says that something has changed, but not all of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookRequest {
    /// Twelve-digit AWS account.
    pub account_id: String,
    /// AWS region code.
    pub region: String,
    /// Time of the call.
    pub at: Timestamp,
    /// Reason for the look.
    pub reason: LookReason,
}

/// A reason to look at a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookReason {
    /// A launch of so many instances that CloudTrail left out their ids.
    IdsOmitted,
    /// Auto Scaling begins to end an instance. It may wait for days, or keep it; the end is a call of EC2.
    AutoScalingTermination,
    /// A root volume is replaced.
    RootVolume,
    /// The license of an instance is converted; its billing changes some time later.
    LicenseConversion,
}

/// A change of an instance.
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
    /// The metering tag.
    pub tag: Tag,
    /// True if the image carries the tag from now on.
    pub present: bool,
    /// Time of the call.
    pub at: Timestamp,
}

/// The tags by which a customer declares the content of an image. Their presence counts, not their value.
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

/// A file that is unreadable as a whole. A single unreadable record is counted instead, in [`Skipped::malformed`].
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

/// A log file that could not be read from its source.
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

/// Bytes of a file that [`read`] holds at first; few enough to stay in the processor's cache.
const WINDOW: usize = 128 << 10;

/// Number of malformed records that [`Skipped::reasons`] describes.
const REASONS_KEPT: usize = 5;

/// Reads the decompressed bytes of one log file.
///
/// Only relevant records are read in full. In all others only the source, the name and the end are looked for; they
/// may be of any kind and size.
///
/// # Errors
/// Only if the file as a whole is not a CloudTrail log file.
pub fn parse(json: &[u8]) -> Result<LogFile, LogError> {
    match Window::whole(json).log() {
        Ok(file) => Ok(file),
        Err(ReadError::Log(error)) => Err(error),
        // Memory neither fails as a source nor has a limit.
        Err(other) => Err(LogError::Syntax(serde::de::Error::custom(other))),
    }
}

/// Reads one log file of at most `limit` bytes as it is decompressed, for example by flate2's `MultiGzDecoder`.
/// Holds a window of the file at once: 128 KiB, or a few times the longest record.
///
/// # Errors
/// If the source fails, gives more than `limit` bytes, or is not a CloudTrail log file.
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
            Ok(record::Meaning::Look(look)) => self.looks.push(look),
            Ok(record::Meaning::None(reason)) => self.skipped.count(reason),
            Err(reason) => self.skipped.malformed(self.records, &reason),
        }
        self.records += 1;
    }
}

impl Skipped {
    fn count(&mut self, reason: record::SkipReason) {
        *match reason {
            record::SkipReason::OtherSource => &mut self.other_source,
            record::SkipReason::FailedCall => &mut self.failed_call,
            record::SkipReason::ReadOnly => &mut self.read_only,
            record::SkipReason::Irrelevant => &mut self.irrelevant,
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
