//! ext2, ext3 and ext4, with the journal replayed. The [kernel's documentation] has the format.
//!
//! [kernel's documentation]: https://docs.kernel.org/filesystems/ext4/

mod checksum;
mod directory;
mod extents;
mod file;
mod groups;
mod indirect;
mod inode;
mod journal;
mod map;
mod overlay;
mod superblock;
mod tags;
#[cfg(test)]
mod tests;
mod volume;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use self::file::ExtFile;
use self::inode::ExtInode;
use self::overlay::JournalOverlay;
use self::superblock::ExtSuperblock;
use self::volume::ExtVolume;
use super::{FileSystem, FileSystemError, FileType, OpenFile, Root};
use crate::filesystem::MemoryBudget;
use crate::source::BlockSource;

/// Most names in the cache: a few megabytes.
const MAX_NAMES: usize = 32 * 1024;

pub(super) struct Ext {
    superblock: ExtSuperblock,
    disk: JournalOverlay,
    /// Inodes by directory and name, as far as they have been read.
    names: RefCell<HashMap<(u32, String), u32>>,
}

impl Ext {
    pub(super) fn open(
        kind: &'static str,
        partition: Arc<dyn BlockSource>,
        memory: &MemoryBudget,
    ) -> Result<Self, FileSystemError> {
        let (disk, superblock) = JournalOverlay::recover(kind, partition, memory)?;
        Ok(Self {
            superblock,
            disk,
            names: RefCell::default(),
        })
    }

    fn volume(&self) -> ExtVolume<'_> {
        ExtVolume {
            superblock: &self.superblock,
            disk: &self.disk,
        }
    }

    /// Returns the inode at `path`; `None` if there is none.
    fn inode(&self, path: &str) -> Result<Option<ExtInode>, FileSystemError> {
        let mut inode = ExtInode::read(self.volume(), ExtInode::ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if inode.kind != FileType::Directory {
                return Ok(None);
            }
            let Some(number) = self.find(&inode, name)? else {
                return Ok(None);
            };
            inode = ExtInode::read(self.volume(), number)?;
        }
        Ok(Some(inode))
    }

    /// Returns the inode at `path`, which exists and is a `kind`.
    fn expect(&self, path: &str, kind: FileType) -> Result<ExtInode, FileSystemError> {
        let inode = self.inode(path)?.filter(|inode| inode.kind == kind);
        inode.ok_or_else(|| self.superblock.damaged(format!("{path} is no {kind:?}")))
    }

    fn find(&self, directory: &ExtInode, name: &str) -> Result<Option<u32>, FileSystemError> {
        let known = (directory.number, name.to_owned());
        if let Some(&number) = self.names.borrow().get(&known) {
            return Ok(Some(number));
        }
        let mut found = None;
        directory::scan(self.volume(), directory, |entry, number| {
            self.remember(directory, entry, number);
            if entry == name.as_bytes() {
                found = Some(number);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn remember(&self, directory: &ExtInode, name: &[u8], number: u32) {
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

impl FileSystem for Ext {
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
        let mut target = vec![0; inode.size as usize];
        ExtFile::open(self.volume(), &inode)?.read_at(0, &mut target)?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        let inode = self.expect(path, FileType::File)?;
        Ok(Box::new(ExtFile::open(self.volume(), &inode)?))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError> {
        let inode = self.expect(path, FileType::Directory)?;
        let mut names = Vec::new();
        let mut count = 0;
        directory::scan(self.volume(), &inode, |name, number| {
            if count == limit {
                return Err(FileSystemError::Limit {
                    path: path.into(),
                    limit,
                    of: "directory entries",
                });
            }
            count += 1;
            self.remember(&inode, name, number);
            match str::from_utf8(name) {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }
}
