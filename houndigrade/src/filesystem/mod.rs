//! Reading files without mounting anything.

mod btrfs;
mod content;
mod crc32c;
mod ext;
pub mod fstab;
mod identity;
#[cfg(test)]
pub(crate) mod memory;
pub mod ostree;
mod root;
#[cfg(test)]
mod tests;
mod xfs;

pub use content::Content;
pub use identity::Identity;
pub use root::Root;
pub(crate) use root::normal;

use std::io;
use std::sync::Arc;

use crate::memory::Memory;
use crate::report::ProblemCode;
use crate::source::{self, BlockSource};

/// What a file system must answer. Paths are absolute and free of symlinks, `.` and `..`: [`Root`] has resolved them.
pub trait FileSystem {
    /// What is at `path`; `None` if there is nothing. Symlinks are not followed.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read; so for all methods.
    fn entry(&self, path: &str) -> Result<Option<Entry>, Error>;

    /// Target of the symlink at `path`, of at most [`Root::MAX_PATH`] bytes.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn link_target(&self, path: &str) -> Result<String, Error>;

    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    fn open(&self, path: &str) -> Result<Box<dyn File + '_>, Error>;

    /// Names in the directory at `path`, in no order, without `.` and `..` and without names that are not UTF-8.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry), and if there are more than `limit`.
    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, Error>;

    /// The directory that is seen where this is mounted without more words: of a file system with subvolumes, the default one.
    fn top(&self) -> String {
        "/".into()
    }

    /// Directories that may be the root of an installed system, likeliest first: a file system with subvolumes has several.
    /// A path that does not exist is no error, it just is not the one.
    fn roots(&self) -> Vec<String> {
        vec!["/".into()]
    }
}

/// A regular file that is open.
pub trait File {
    /// Size in bytes, as the file system claims: a sparse file of a small disk may claim any.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on, as far as the file goes. Returns the number of bytes: less than the buffer's only at
    /// the end of the file.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error>;
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A device, pipe or socket.
    Special,
}

/// Why a file system, or something in it, can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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

impl Error {
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
            Self::Read(error) => source::problem_code(error),
        }
    }
}

/// Opens the file system that `content` says is there; what its log changes is kept in `memory`.
///
/// # Errors
/// [`Error::Unsupported`] or [`Error::Encrypted`] for all but ext2, ext3, ext4, btrfs and XFS, and whatever is wrong with one of those.
pub fn open(
    content: Content,
    partition: Arc<dyn BlockSource>,
    memory: &Memory,
) -> Result<Box<dyn FileSystem>, Error> {
    match content {
        Content::Ext(kind) => Ok(Box::new(ext::Ext::open(kind, partition, memory)?)),
        Content::WindowsNtfs => Err(Error::Unsupported("ntfs")),
        Content::Known("btrfs") => Ok(Box::new(btrfs::Btrfs::open(partition, memory)?)),
        Content::Known("xfs") => Ok(Box::new(xfs::Xfs::open(partition, memory)?)),
        Content::Known(kind @ ("luks" | "bitlocker")) => Err(Error::Encrypted(kind)),
        Content::Known(kind) => Err(Error::Unsupported(kind)),
        Content::Empty | Content::Unknown => Err(Error::Unrecognised),
    }
}
