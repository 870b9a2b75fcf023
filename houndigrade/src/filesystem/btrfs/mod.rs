//! btrfs, as Linux shows it when it mounts the top level: with all subvolumes, and with the log replayed.
//!
//! ```text
//! superblock ──► chunks ──► tree ──► item ──► subvolume ──► file
//! sizes          addresses  keys     fields   ▲ log         compression
//! ```

mod checksum;
mod chunks;
mod compression;
mod file;
mod item;
mod log;
mod replay;
mod subvolume;
mod superblock;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::chunks::Chunks;
use self::file::BtrfsFile;
use self::item::InodeItem;
use self::log::LogTree;
use self::subvolume::{EMPTY_DIRECTORY, ROOT_DIRECTORY, Subvolume};
use self::superblock::BtrfsSuperblock;
use self::tree::{Key, Pointer, Trees};
use super::{FileSystem, FileSystemError, FileType, OpenFile, Root};
use crate::filesystem::budget::{MemoryBudget, Reservation};
use crate::source::BlockSource;

/// Id of the subvolume that all others lie in.
const TOP_LEVEL: u64 = 5;
/// Directory of the root tree that names the default subvolume.
const ROOT_TREE_DIRECTORY: u64 = 6;
/// Id of all trees of a log.
const TREE_LOG: u64 = -6_i64 as u64;
/// Id of the chunks in the chunk tree.
const CHUNK_TREE: u64 = 256;
/// Subvolumes that distributions install to: Fedora, openSUSE and Ubuntu.
const USUAL_ROOTS: [&str; 3] = ["/root", "/@", "/"];

pub(super) struct Btrfs {
    trees: Trees,
    root: Pointer,
    sector_size: usize,
    /// By subvolume.
    logs: BTreeMap<u64, LogTree>,
    /// Memory of the logs.
    _memory: Reservation,
    default_subvolume: Option<String>,
}

/// The target of a path.
struct Location<'a> {
    subvolume: Subvolume<'a>,
    number: u64,
    inode: InodeItem,
}

impl Btrfs {
    pub(super) fn open(
        partition: Arc<dyn BlockSource>,
        memory: &MemoryBudget,
    ) -> Result<Self, FileSystemError> {
        let superblock = BtrfsSuperblock::read(&*partition)?;
        let mut chunks = Chunks::new(Arc::clone(&partition), superblock.device);
        chunks.add_system_chunks(&superblock.system_chunks)?;
        // The chunk tree is read by the chunks of the superblock, and describes all of them.
        let trees = Trees::new(chunks, superblock.node_size);
        let mut chunks = Chunks::new(partition, superblock.device);
        for item in trees.all(&superblock.chunk_root, CHUNK_TREE, item::CHUNK)? {
            let item = item?;
            chunks.add(item.key.offset, item.data())?;
        }
        let mut btrfs = Self {
            trees: Trees::new(chunks, superblock.node_size),
            root: superblock.root,
            sector_size: superblock.sector_size,
            logs: BTreeMap::new(),
            _memory: memory.reservation(),
            default_subvolume: None,
        };
        if let Some(log_root) = superblock.log_root {
            let mut reservation = memory.reservation();
            btrfs.logs = btrfs.replay(&log_root, &mut reservation)?;
            btrfs._memory = reservation;
        }
        btrfs.default_subvolume = btrfs.find_default_subvolume()?;
        Ok(btrfs)
    }

    fn replay(
        &self,
        log_root: &Pointer,
        memory: &mut Reservation,
    ) -> Result<BTreeMap<u64, LogTree>, FileSystemError> {
        let mut logs = BTreeMap::new();
        for item in self.trees.all(log_root, TREE_LOG, item::ROOT)? {
            let item = item?;
            // A deleted subvolume's log is not needed.
            if let Some(subvolume) = self.subvolume(item.key.offset)? {
                let log = replay::replay(subvolume, &item::root(item.data())?, memory)?;
                logs.insert(subvolume.id, log);
            }
        }
        Ok(logs)
    }

    /// Returns the path of the subvolume that Linux mounts by default; `None` for the top level.
    pub(super) fn default_subvolume(&self) -> Option<String> {
        self.default_subvolume.clone()
    }

    fn find_default_subvolume(&self) -> Result<Option<String>, FileSystemError> {
        let root_tree = Subvolume {
            id: 0,
            trees: &self.trees,
            root: self.root,
            log: None,
            sector_size: self.sector_size,
        };
        match root_tree.lookup(ROOT_TREE_DIRECTORY, b"default")? {
            Some(target) if target.id != TOP_LEVEL => self.path_of(target.id),
            _ => Ok(None),
        }
    }

    /// Returns the path of a subvolume from the top level; `None` if it has none, or one that is not UTF-8 or too long.
    fn path_of(&self, mut id: u64) -> Result<Option<String>, FileSystemError> {
        let mut path = String::new();
        while id != TOP_LEVEL {
            let reference = self.trees.all(&self.root, id, item::ROOT_BACKREF)?.next();
            let Some(reference) = reference.transpose()? else {
                return Ok(None);
            };
            let parent = reference.key.offset;
            let Some(subvolume) = self.subvolume(parent)? else {
                return Ok(None);
            };
            let (mut directory, name) = item::root_reference(reference.data())?;
            if !prepend(&mut path, name) {
                return Ok(None);
            }
            while directory != ROOT_DIRECTORY {
                let mut references = self
                    .trees
                    .all(&subvolume.root, directory, item::INODE_REF)?;
                let Some(reference) = references.next().transpose()? else {
                    return Ok(None);
                };
                let name = item::references(&reference)?.first().map(|(_, name)| *name);
                if !name.is_some_and(|name| prepend(&mut path, name)) {
                    return Ok(None);
                }
                directory = reference.key.offset;
            }
            id = parent;
        }
        Ok(Some(path))
    }

    /// Returns the subvolume with this id, if there is one.
    fn subvolume(&self, id: u64) -> Result<Option<Subvolume<'_>>, FileSystemError> {
        let item = self
            .trees
            .all(&self.root, id, item::ROOT)?
            .next()
            .transpose()?;
        let Some(item) = item else {
            return Ok(None);
        };
        Ok(Some(Subvolume {
            id,
            trees: &self.trees,
            root: item::root(item.data())?,
            log: self.logs.get(&id),
            sector_size: self.sector_size,
        }))
    }

    fn find(&self, path: &str) -> Result<Option<Location<'_>>, FileSystemError> {
        let Some(mut subvolume) = self.subvolume(TOP_LEVEL)? else {
            return damaged("it has no top level");
        };
        let mut number = ROOT_DIRECTORY;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Some(target) = subvolume.lookup(number, name.as_bytes())? else {
                return Ok(None);
            };
            (subvolume, number) = self.follow(subvolume, number, name, target)?;
        }
        let Some(inode) = subvolume.inode(number)? else {
            return damaged(format!("{path} has no inode"));
        };
        Ok(Some(Location {
            subvolume,
            number,
            inode,
        }))
    }

    /// Resolves a name of a directory, within its subvolume or into another.
    fn follow<'a>(
        &'a self,
        subvolume: Subvolume<'a>,
        directory: u64,
        name: &str,
        target: Key,
    ) -> Result<(Subvolume<'a>, u64), FileSystemError> {
        if target.kind != item::ROOT {
            return Ok((subvolume, target.id));
        }
        // In a snapshot, the name of a subvolume is still there, and the subvolume is not.
        let key = Key::new(subvolume.id, item::ROOT_REF, target.id);
        let reference = self.trees.get(&self.root, key)?;
        let here = match &reference {
            Some(item) => item::root_reference(item.data())? == (directory, name.as_bytes()),
            None => false,
        };
        let inner = if here {
            self.subvolume(target.id)?
        } else {
            None
        };
        Ok(match inner {
            Some(inner) => (inner, ROOT_DIRECTORY),
            None => (subvolume, EMPTY_DIRECTORY),
        })
    }

    /// Returns the place of something known to exist.
    fn known(&self, path: &str) -> Result<Location<'_>, FileSystemError> {
        self.find(path)?
            .map_or_else(|| damaged(format!("{path} is gone")), Ok)
    }
}

impl FileSystem for Btrfs {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        Ok(self.find(path)?.map(|place| place.inode.file_type))
    }

    fn link_target(&self, path: &str) -> Result<String, FileSystemError> {
        let place = self.known(path)?;
        if place.inode.size > Root::MAX_PATH as u64 {
            return Err(FileSystemError::Limit {
                path: path.into(),
                limit: Root::MAX_PATH,
                of: "bytes in a symlink",
            });
        }
        let mut target = vec![0; place.inode.size as usize];
        place.file().read_at(0, &mut target)?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        Ok(Box::new(self.known(path)?.file()))
    }

    fn names(&self, path: &str, limit: usize) -> Result<Vec<String>, FileSystemError> {
        let place = self.known(path)?;
        let (mut names, mut count) = (Vec::new(), 0);
        place.subvolume.names(place.number, |name| {
            count += 1;
            if count > limit {
                return Err(FileSystemError::Limit {
                    path: path.into(),
                    limit,
                    of: "directory entries",
                });
            }
            let name = str::from_utf8(name).ok();
            // A damaged directory may have names that no path can have.
            let name = name.filter(|name| !matches!(*name, "" | "." | "..") && !name.contains('/'));
            names.extend(name.map(str::to_owned));
            Ok(())
        })?;
        Ok(names)
    }

    fn top(&self) -> String {
        self.default_subvolume.clone().unwrap_or_else(|| "/".into())
    }

    fn roots(&self) -> Vec<String> {
        let usual = USUAL_ROOTS.map(str::to_owned);
        self.default_subvolume().into_iter().chain(usual).collect()
    }
}

impl<'a> Location<'a> {
    fn file(self) -> BtrfsFile<'a> {
        BtrfsFile::new(self.subvolume, self.number, self.inode.size)
    }
}

/// Puts `name` before `path`. Returns whether the result is a valid path.
fn prepend(path: &mut String, name: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(name) else {
        return false;
    };
    path.insert_str(0, &format!("/{name}"));
    path.len() <= Root::MAX_PATH
}

fn damaged<T>(what: impl Into<String>) -> Result<T, FileSystemError> {
    Err(FileSystemError::Damaged {
        kind: "btrfs",
        what: what.into(),
    })
}

fn unsupported<T>(what: &'static str) -> Result<T, FileSystemError> {
    Err(FileSystemError::Unsupported(what))
}
