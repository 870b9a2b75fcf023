//! XFS of version 4 and 5, with the log replayed in memory. The [kernel's documentation] has the format.
//!
//! [kernel's documentation]: https://docs.kernel.org/filesystems/xfs/

mod buffer_item;
mod checksum;
mod directory;
mod extents;
mod file;
mod geometry;
mod inode;
mod inode_item;
mod log;
mod overlay;
mod recovery;
mod replayed;
mod superblock;
#[cfg(test)]
mod tests;
mod transaction;
mod volume;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use self::file::XfsFile;
use self::geometry::Geometry;
use self::inode::XfsInode;
use self::recovery::recover;
use self::volume::XfsVolume;
use super::{FileSystem, FileSystemError, FileType, OpenFile, Root};
use crate::filesystem::budget::{MemoryBudget, Reservation};
use crate::source::BlockSource;

/// Most names in the cache: a few megabytes.
const MAX_NAMES: usize = 32 * 1024;

pub(super) struct Xfs {
    volume: XfsVolume,
    /// Memory of the changes in the log.
    _memory: Reservation,
    unfinished: BTreeSet<u64>,
    /// Inodes by directory and name, as far as they have been read.
    names: RefCell<HashMap<(u64, String), u64>>,
}

impl Xfs {
    pub(super) fn open(
        partition: Arc<dyn BlockSource>,
        memory: &MemoryBudget,
    ) -> Result<Self, FileSystemError> {
        let geometry = Geometry::read(&*partition)?;
        let mut reservation = memory.reservation();
        let recovered = recover(&*partition, &geometry, memory, &mut reservation)?;
        let fs = Self {
            volume: XfsVolume::new(partition, recovered.overlay, &geometry)?,
            _memory: reservation,
            unfinished: recovered.unfinished,
            names: RefCell::default(),
        };
        // Nothing can be read of a file system without its root.
        fs.expect("/", FileType::Directory)?;
        Ok(fs)
    }

    /// Returns the inode at `path`; `None` if there is none.
    fn inode(&self, path: &str) -> Result<Option<XfsInode>, FileSystemError> {
        let mut inode = XfsInode::read(&self.volume, self.volume.superblock.root)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if inode.kind != FileType::Directory {
                return Ok(None);
            }
            let Some(number) = self.find(&inode, name)? else {
                return Ok(None);
            };
            inode = XfsInode::read(&self.volume, number)?;
        }
        Ok(Some(inode))
    }

    /// Returns the inode at `path`, which exists and is a `kind`.
    fn expect(&self, path: &str, kind: FileType) -> Result<XfsInode, FileSystemError> {
        let inode = self.inode(path)?.filter(|inode| inode.kind == kind);
        let inode = inode.ok_or_else(|| damaged(format!("{path} is no {kind:?}")))?;
        self.finished(&inode)?;
        Ok(inode)
    }

    /// Fails if the map of an inode is not what it will be once Linux has mounted the file system.
    fn finished(&self, inode: &XfsInode) -> Result<(), FileSystemError> {
        if self.unfinished.contains(&inode.number) {
            return Err(damaged(format!(
                "the blocks of inode {} were being moved when the disk was copied; mount and unmount it once, and copy it again",
                inode.number
            )));
        }
        Ok(())
    }

    fn find(&self, directory: &XfsInode, name: &str) -> Result<Option<u64>, FileSystemError> {
        let known = (directory.number, name.to_owned());
        if let Some(&number) = self.names.borrow().get(&known) {
            return Ok(Some(number));
        }
        self.finished(directory)?;
        let mut found = None;
        directory::scan(&self.volume, directory, |entry, number| {
            self.remember(directory, entry, number);
            if entry == name.as_bytes() {
                found = Some(number);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn remember(&self, directory: &XfsInode, name: &[u8], number: u64) {
        let Ok(name) = str::from_utf8(name) else {
            return;
        };
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        names.insert((directory.number, name.into()), number);
    }
}

impl FileSystem for Xfs {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        Ok(self.inode(path)?.map(|inode| inode.kind))
    }

    fn link_target(&self, path: &str) -> Result<String, FileSystemError> {
        let inode = self.expect(path, FileType::Symlink)?;
        if inode.size > Root::MAX_PATH as u64 {
            return Err(FileSystemError::Limit {
                path: path.into(),
                limit: Root::MAX_PATH,
                of: "bytes in a symlink",
            });
        }
        let target = file::link_target(&self.volume, &inode)?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        let inode = self.expect(path, FileType::File)?;
        Ok(Box::new(XfsFile::open(&self.volume, &inode)?))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError> {
        let inode = self.expect(path, FileType::Directory)?;
        let mut names = Vec::new();
        let mut count = 0;
        directory::scan(&self.volume, &inode, |name, number| {
            if count == limit {
                return Err(FileSystemError::Limit {
                    path: path.into(),
                    limit,
                    of: "directory entries",
                });
            }
            count += 1;
            self.remember(&inode, name, number);
            names.extend(str::from_utf8(name).ok().map(str::to_owned));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }
}

fn damaged(what: String) -> FileSystemError {
    FileSystemError::Damaged { kind: "xfs", what }
}
