//! Sources of blocks.
//!
//! All other folders read a disk through [`BlockSource`], a file and a snapshot in a cloud alike.

mod cache;
mod deadline;
mod file;
mod readahead;
#[cfg(feature = "cli")]
mod snapshot;
mod window;

pub use deadline::Deadline;
pub use file::DiskFile;
#[cfg(feature = "cli")]
pub use snapshot::{Snapshot, SnapshotAccess, SnapshotRole, client as ebs_client};
pub use window::SourceWindow;

use std::io;

use houndigrade_report::{ProblemCode, Stats};

/// A disk or a part of one, readable at any offset.
pub trait BlockSource: Send + Sync {
    /// Returns the size in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the range does not lie within [`size`](Self::size), and the errors of the source itself.
    /// The message names the range.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Returns counts of the reads so far.
    fn stats(&self) -> Stats;
}

/// Returns the error of a read beyond the end.
pub(crate) fn beyond_the_end(offset: u64, length: usize, size: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("reading {length} bytes at offset {offset}: the disk ends at {size}"),
    )
}

/// Returns the code that the report has for a failed read.
pub(crate) fn problem_code(error: &io::Error) -> ProblemCode {
    match error.kind() {
        io::ErrorKind::TimedOut => ProblemCode::Timeout,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ProblemCode::Damaged,
        _ => ProblemCode::Unreadable,
    }
}

/// Checks that `length` bytes at `offset` lie within `size` bytes.
///
/// # Errors
/// As [`BlockSource::read_at`].
pub(crate) fn check_range(size: u64, offset: u64, length: usize) -> io::Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(beyond_the_end(offset, length, size)),
    }
}
