//! Reading files without mounting anything.

mod btrfs;
mod budget;
mod content;
mod crc32c;
mod error;
mod ext;
mod extent_tree;
pub mod fstab;
mod identity;
pub mod ostree;
mod root;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod xfs;

pub use budget::MemoryBudget;
pub use content::Content;
pub use error::FileSystemError;
pub use identity::Identity;
pub use root::Root;
pub(crate) use root::normal;

use std::sync::Arc;

use crate::source::BlockSource;

/// Read access to a file system. Paths are absolute and free of symlinks, `.` and `..`: [`Root`] has resolved them.
pub trait FileSystem {
    /// Returns the type of the file at `path`; `None` if there is none. Symlinks are not followed.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read; so for all methods.
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError>;

    /// Returns the target of the symlink at `path`, of at most [`Root::MAX_PATH`] bytes.
    ///
    /// # Errors
    /// As for [`file_type`](Self::file_type).
    fn link_target(&self, path: &str) -> Result<String, FileSystemError>;

    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// As for [`file_type`](Self::file_type).
    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError>;

    /// Returns the names in the directory at `path`, in no order, without `.` and `..` and names that are not UTF-8.
    ///
    /// # Errors
    /// As for [`file_type`](Self::file_type), and if there are more than `limit`.
    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError>;

    /// Returns the directory that a mount without options shows: the default subvolume, where there are subvolumes.
    fn top(&self) -> String {
        "/".into()
    }

    /// Returns directories that may be the root of an installed system, likeliest first: one for each usual subvolume.
    /// Paths need not exist.
    fn roots(&self) -> Vec<String> {
        vec!["/".into()]
    }
}

/// An open regular file.
pub trait OpenFile {
    /// Returns the size in bytes that the file system claims: a sparse file on a small disk may claim any.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on, as far as the file goes. Returns the number of bytes: less than the buffer's only at
    /// the end of the file.
    ///
    /// # Errors
    /// If the file system is damaged or the disk can't be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError>;
}

/// The types of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A device, pipe or socket.
    Special,
}

/// Opens the file system that `content` names; the changes in its log are kept in `memory`.
///
/// # Errors
/// [`FileSystemError::Unsupported`] or [`FileSystemError::Encrypted`] for all but ext2, ext3, ext4, btrfs and XFS; any other if
/// one of these can't be read.
pub fn open(
    content: Content,
    partition: Arc<dyn BlockSource>,
    memory: &MemoryBudget,
) -> Result<Box<dyn FileSystem>, FileSystemError> {
    match content {
        Content::Ext(kind) => Ok(Box::new(ext::Ext::open(kind, partition, memory)?)),
        Content::WindowsNtfs => Err(FileSystemError::Unsupported("ntfs")),
        Content::Known("btrfs") => Ok(Box::new(btrfs::Btrfs::open(partition, memory)?)),
        Content::Known("xfs") => Ok(Box::new(xfs::Xfs::open(partition, memory)?)),
        Content::Known(kind @ ("luks" | "bitlocker")) => Err(FileSystemError::Encrypted(kind)),
        Content::Known(kind) => Err(FileSystemError::Unsupported(kind)),
        Content::Container(kind) => Err(FileSystemError::Container(kind)),
        Content::Empty | Content::Unknown => Err(FileSystemError::Unrecognised),
    }
}
