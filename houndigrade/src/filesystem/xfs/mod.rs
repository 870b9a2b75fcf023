//! XFS of version 4 and 5, read by `lamxfs`; the log is replayed in memory by [`recovery`], because `lamxfs` does so for
//! version 5 only, and with the whole log in memory.

mod buffer_item;
mod checksum;
mod file;
mod geometry;
mod inode_item;
mod log;
mod overlay;
mod recovery;
mod replayed;
#[cfg(test)]
mod tests;
mod transaction;
mod volume;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use lamxfs::{Inode, Metadata, Path};

use self::file::XfsFile;
use self::geometry::Geometry;
use self::recovery::recover;
use self::volume::{Reader, XfsVolume};
use super::{FileSystem, FileSystemError, FileType, OpenFile, Root};
use crate::filesystem::budget::{MemoryBudget, Reservation};
use crate::source::BlockSource;

/// Most bytes of unfinished transactions: 32 MiB. Linux closes a transaction before it is that long.
const MAX_OPEN: usize = 32 * 1024 * 1024;
/// Most bytes of directories and maps of extents read to find a path or a piece of a file: 4 MiB. The reader's structures are
/// several times as large.
const MAX_METADATA: usize = 4 * 1024 * 1024;

/// Bits of a mode for the type of a file.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

pub(super) struct Xfs {
    fs: RefCell<lamxfs::Xfs<Reader>>,
    volume: Rc<XfsVolume>,
    /// Memory of the changes in the log.
    _memory: Reservation,
    unfinished: BTreeSet<u64>,
    /// The directory read last: the reader would read all of it, and all above it, for each name.
    directory: RefCell<Option<CachedDirectory>>,
}

/// The inodes of a directory by their names.
struct CachedDirectory {
    path: String,
    inodes: BTreeMap<Vec<u8>, u64>,
}

impl CachedDirectory {
    /// Reads the directory at `path`; `None` if there is none.
    fn read(fs: &mut lamxfs::Xfs<Reader>, path: &str) -> Result<Option<Self>, lamxfs::Error> {
        let inode = match fs.resolve(Path::new(path.as_bytes())) {
            Ok(inode) => inode,
            Err(lamxfs::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !fs.metadata(&inode)?.is_dir() {
            return Ok(None);
        }
        let entries = fs.read_dir(Path::new(path.as_bytes()))?.into_iter();
        Ok(Some(Self {
            path: path.into(),
            inodes: entries
                .map(|entry| (entry.name, entry.inode_number))
                .collect(),
        }))
    }

    fn inode(&self, name: &str) -> Option<Inode> {
        let ino = *self.inodes.get(name.as_bytes())?;
        Some(Inode { ino })
    }
}

impl Xfs {
    pub(super) fn open(
        partition: Arc<dyn BlockSource>,
        memory: &MemoryBudget,
    ) -> Result<Self, FileSystemError> {
        let geometry = Geometry::read(&*partition)?;
        let mut reservation = memory.reservation();
        let recovered = recover(&*partition, &geometry, &mut reservation)?;
        let volume = Rc::new(XfsVolume::new(partition, recovered.overlay, &geometry));
        volume.allow(MAX_METADATA);
        let fs = lamxfs::Xfs::open(Reader(Rc::clone(&volume)), geometry.size)
            .map_err(|error| volume.explain("/", error))?;
        Ok(Self {
            fs: RefCell::new(fs),
            volume,
            _memory: reservation,
            unfinished: recovered.unfinished,
            directory: RefCell::new(None),
        })
    }

    /// Calls the reader, for something about `path`.
    fn ask<T>(
        &self,
        path: &str,
        question: impl FnOnce(&mut lamxfs::Xfs<Reader>) -> Result<T, lamxfs::Error>,
    ) -> Result<T, FileSystemError> {
        self.volume.allow(MAX_METADATA);
        question(&mut self.fs.borrow_mut()).map_err(|error| self.volume.explain(path, error))
    }

    fn find(&self, path: &str) -> Result<Option<(Inode, Metadata)>, FileSystemError> {
        let Some((parent, name)) = path.rsplit_once('/').filter(|(_, name)| !name.is_empty())
        else {
            return self.ask(path, |fs| {
                let root = fs.resolve(Path::new(b"/"))?;
                Ok(Some((root, fs.metadata(&root)?)))
            });
        };
        let directory = &mut *self.directory.borrow_mut();
        if directory.as_ref().is_none_or(|known| known.path != parent) {
            *directory = self.ask(path, |fs| CachedDirectory::read(fs, parent))?;
        }
        let inode = directory.as_ref().and_then(|known| known.inode(name));
        let Some(inode) = inode else {
            return Ok(None);
        };
        let metadata = self.ask(path, |fs| fs.metadata(&inode))?;
        Ok(Some((inode, metadata)))
    }

    /// Returns the inode at a path that is known to exist.
    fn found(&self, path: &str) -> Result<(Inode, Metadata), FileSystemError> {
        let found = self
            .find(path)?
            .ok_or_else(|| damaged(format!("nothing is at {path}")))?;
        if self.unfinished.contains(&found.0.ino) {
            return Err(damaged(format!(
                "the blocks of {path} were being moved when the disk was copied; mount and unmount it once, and copy it again"
            )));
        }
        Ok(found)
    }
}

impl FileSystem for Xfs {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        let found = self.find(path)?;
        Ok(found.map(|(_, metadata)| match metadata.mode() & KIND {
            REGULAR => FileType::File,
            DIRECTORY => FileType::Directory,
            SYMLINK => FileType::Symlink,
            _ => FileType::Special,
        }))
    }

    fn link_target(&self, path: &str) -> Result<String, FileSystemError> {
        // Checked before reading: the reader allocates the size in the inode.
        if self.found(path)?.1.size() > Root::MAX_PATH as u64 {
            return Err(FileSystemError::Limit {
                path: path.into(),
                limit: Root::MAX_PATH,
                of: "bytes in a symlink",
            });
        }
        let target = self.ask(path, |fs| fs.read_link(Path::new(path.as_bytes())))?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        let (inode, metadata) = self.found(path)?;
        if !metadata.is_file() {
            return Err(damaged(format!("{path} is no regular file")));
        }
        Ok(Box::new(XfsFile::new(self, path, inode, metadata.size())))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError> {
        self.found(path)?;
        let entries = self.ask(path, |fs| fs.read_dir(Path::new(path.as_bytes())))?;
        if entries.len() > limit {
            return Err(FileSystemError::Limit {
                path: path.into(),
                limit,
                of: "directory entries",
            });
        }
        let names = entries
            .into_iter()
            .map(|entry| String::from_utf8(entry.name));
        Ok(names.filter_map(Result::ok).collect())
    }
}

fn damaged(what: String) -> FileSystemError {
    FileSystemError::Damaged { kind: "xfs", what }
}
