//! ext2, ext3 and ext4, as they are once the journal is replayed. The [kernel's documentation] has the format.
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

use self::file::Contents;
use self::inode::Inode;
use self::overlay::Overlay;
use self::superblock::Superblock;
use self::volume::Volume;
use super::{Entry, Error, File, FileSystem, Root};
use crate::memory::Memory;
use crate::source::BlockSource;

/// Most names that are remembered: a few megabytes.
const MAX_NAMES: usize = 32 * 1024;

pub(super) struct Ext {
    superblock: Superblock,
    disk: Overlay,
    /// Inodes by the directory they are in and their name there, as far as they were seen.
    names: RefCell<HashMap<(u32, String), u32>>,
}

impl Ext {
    pub(super) fn open(
        kind: &'static str,
        partition: Arc<dyn BlockSource>,
        memory: &Memory,
    ) -> Result<Self, Error> {
        let (disk, superblock) = Overlay::recover(kind, partition, memory)?;
        Ok(Self {
            superblock,
            disk,
            names: RefCell::default(),
        })
    }

    fn volume(&self) -> Volume<'_> {
        Volume {
            superblock: &self.superblock,
            disk: &self.disk,
        }
    }

    /// What is at `path`; `None` if there is nothing.
    fn inode(&self, path: &str) -> Result<Option<Inode>, Error> {
        let mut inode = Inode::read(self.volume(), Inode::ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if inode.kind != Entry::Directory {
                return Ok(None);
            }
            let Some(number) = self.find(&inode, name)? else {
                return Ok(None);
            };
            inode = Inode::read(self.volume(), number)?;
        }
        Ok(Some(inode))
    }

    /// What is at `path`, which is there and is a `kind`.
    fn expect(&self, path: &str, kind: Entry) -> Result<Inode, Error> {
        let inode = self.inode(path)?.filter(|inode| inode.kind == kind);
        inode.ok_or_else(|| self.superblock.damaged(format!("{path} is no {kind:?}")))
    }

    fn find(&self, directory: &Inode, name: &str) -> Result<Option<u32>, Error> {
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

    fn remember(&self, directory: &Inode, name: &[u8], number: u32) {
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
    fn entry(&self, path: &str) -> Result<Option<Entry>, Error> {
        Ok(self.inode(path)?.map(|inode| inode.kind))
    }

    fn link_target(&self, path: &str) -> Result<String, Error> {
        let inode = self.expect(path, Entry::Symlink)?;
        if inode.size > Root::MAX_PATH as u64 {
            return Err(Error::Limit {
                path: path.into(),
                limit: Root::MAX_PATH,
                of: "bytes in a symlink",
            });
        }
        let mut target = vec![0; inode.size as usize];
        Contents::of(self.volume(), &inode)?.read_at(0, &mut target)?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn File + '_>, Error> {
        let inode = self.expect(path, Entry::File)?;
        Ok(Box::new(Contents::of(self.volume(), &inode)?))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, Error> {
        let inode = self.expect(path, Entry::Directory)?;
        let mut names = Vec::new();
        let mut count = 0;
        directory::scan(self.volume(), &inode, |name, number| {
            if count == limit {
                return Err(Error::Limit {
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
