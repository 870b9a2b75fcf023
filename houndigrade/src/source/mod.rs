//! Where blocks come from.
//!
//! Everything above this folder reads a disk through [`BlockSource`] and can't tell a file from a snapshot in a cloud.

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

/// A disk, or a part of one, that can be read at any offset.
pub trait BlockSource: Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the range does not lie within [`size`](Self::size), and whatever the
    /// source itself fails with. The message says what was read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// What has been read from the source so far.
    fn stats(&self) -> Stats;
}

/// The error of a read that leaves the source.
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

/// Whether `length` bytes at `offset` lie within `size` bytes.
fn contains(size: u64, offset: u64, length: usize) -> bool {
    offset
        .checked_add(length as u64)
        .is_some_and(|end| end <= size)
}
