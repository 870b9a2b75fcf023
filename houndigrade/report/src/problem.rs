//! The reasons why something could not be read, in a form that programs can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One reason why a disk, or a part of it, could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of reason.
    pub code: ProblemCode,
    /// The disk, partition or logical volume concerned; `None` for the image as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The reason, for people. It may quote the disk.
    #[serde(default)]
    pub message: String,
}

/// The kind of a [`Problem`], in PascalCase in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProblemCode {
    /// A file system, or a feature of one, that this version can't read.
    UnsupportedFileSystem,
    /// A kind of logical volume that this version can't read.
    UnsupportedVolume,
    /// An encrypted volume: LUKS, BitLocker.
    Encrypted,
    /// Content without a known mark, on a partition that may hold a Linux.
    Unrecognised,
    /// A partition table, volume group, file system or package database that contradicts itself.
    Damaged,
    /// More, or larger, than the limits of this version allow.
    LimitExceeded,
    /// The logs of the file systems change more than fits into `--max-memory`.
    MemoryExceeded,
    /// A part of the system that is not among the image's disks, or could not be read there.
    Missing,
    /// The time limit was over.
    Timeout,
    /// The disk, or the service that has its blocks, returned an error.
    Unreadable,
    /// A bug: a reader panicked.
    ReaderFailed,
    /// Everything was read, and no Linux distribution is there.
    NoDistribution,
    /// A code of a later version.
    #[serde(other)]
    Unknown,
}

impl Problem {
    /// Returns a problem of the image as a whole.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self {
            code,
            path: None,
            message: message.into(),
        }
    }

    /// Returns the same problem of the disk, partition or volume at `path`.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }
}

/// `path: message`
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(formatter, "{path}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_words() {
        let problem = Problem::new(ProblemCode::UnsupportedFileSystem, "no NTFS").at("/dev/sda2");
        let json =
            json!({"code": "UnsupportedFileSystem", "path": "/dev/sda2", "message": "no NTFS"});
        assert_eq!(serde_json::to_value(&problem).unwrap(), json);
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }

    #[rstest]
    #[case::known(json!({"code": "Timeout"}), ProblemCode::Timeout)]
    #[case::of_a_later_version(json!({"code": "EatenByDog", "dog": "Rex"}), ProblemCode::Unknown)]
    fn codes_are_read(#[case] json: serde_json::Value, #[case] expected: ProblemCode) {
        let problem: Problem = serde_json::from_value(json).unwrap();
        assert_eq!(problem, Problem::new(expected, ""));
    }

    #[test]
    fn the_text_names_the_path() {
        let problem = Problem::new(ProblemCode::Damaged, "it is empty");
        assert_eq!(problem.to_string(), "it is empty");
        assert_eq!(problem.at("a").to_string(), "a: it is empty");
    }
}
