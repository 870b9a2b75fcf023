//! The errors of all file systems.

use std::io;

use crate::source::problem_code;
use houndigrade_report::ProblemCode;

/// The reasons why a file system, or a file in it, can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FileSystemError {
    /// A recognised file system that this version can't read.
    #[error("unsupported file system: {0}")]
    Unsupported(&'static str),
    /// An encrypted volume.
    #[error("unsupported file system: {0}")]
    Encrypted(&'static str),
    /// A file that contains a disk.
    #[error("a {0} file: convert it to a raw disk first, for example by qemu-img convert -O raw")]
    Container(&'static str),
    /// No known mark.
    #[error("no known file system")]
    Unrecognised,
    /// The file system contradicts itself, or uses an unknown feature.
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
        /// The directory or file.
        path: String,
        /// Most that are allowed.
        limit: usize,
        /// The things counted.
        of: &'static str,
    },
    /// The changes in the logs of an image's file systems take more than so many KiB.
    #[error(
        "memory limit: the logs of the image's file systems change more than {0} KiB; a larger --max-memory lets them"
    )]
    Memory(usize),
    /// A part of the tree that is not among the image's disks, or can't be read.
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
            Self::Unsupported(_) | Self::Container(_) => ProblemCode::UnsupportedFileSystem,
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
