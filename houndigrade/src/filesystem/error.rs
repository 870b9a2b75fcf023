//! The errors of all file systems.

use std::io;

use crate::source::problem_code;
use houndigrade_report::ProblemCode;

/// Why a file system, or something in it, can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FileSystemError {
    /// There is a file system, and this version can't read its kind.
    #[error("unsupported file system: {0}")]
    Unsupported(&'static str),
    /// Nobody reads it without its key.
    #[error("unsupported file system: {0}")]
    Encrypted(&'static str),
    /// Nothing known begins here.
    #[error("no known file system")]
    Unrecognised,
    /// The file system contradicts itself, or uses a feature its reader does not know.
    #[error("{kind} file system: {what}")]
    Damaged {
        /// File system.
        kind: &'static str,
        /// The reader's words.
        what: String,
    },
    /// Larger than anything this program reads.
    #[error("{path}: more than {limit} {of}")]
    Limit {
        /// Where.
        path: String,
        /// How many are allowed.
        limit: usize,
        /// Of what.
        of: &'static str,
    },
    /// What the logs of an image's file systems change does not fit into so many KiB.
    #[error(
        "memory limit: the logs of the image's file systems change more than {0} KiB; a larger --max-memory lets them"
    )]
    Memory(usize),
    /// It belongs to the tree, and is not among the image's disks or can't be read.
    #[error("{0}")]
    OutOfReach(String),
    /// The disk could not be read.
    #[error("{0}")]
    Read(#[from] io::Error),
}

impl FileSystemError {
    /// Returns the code that the report has for it.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Unsupported(_) => ProblemCode::UnsupportedFileSystem,
            Self::Encrypted(_) => ProblemCode::Encrypted,
            Self::Unrecognised => ProblemCode::Unrecognised,
            Self::Damaged { .. } => ProblemCode::Damaged,
            Self::Limit { .. } => ProblemCode::LimitExceeded,
            Self::Memory(_) => ProblemCode::MemoryExceeded,
            Self::OutOfReach(_) => ProblemCode::Missing,
            Self::Read(error) => problem_code(error),
        }
    }
}
