//! Replays a log. Linux writes it into the trees when it mounts; here the changes are kept in memory, as a [`LogTree`]. Rules and
//! order are those of Linux's replay.

use std::collections::{BTreeMap, BTreeSet};

use super::damaged;
use super::item::{self, InodeItem};
use super::log::LogTree;
use super::subvolume::{ROOT_DIRECTORY, Subvolume};
use super::tree::{Key, Pointer, TreeItem};
use crate::filesystem::budget::Reservation;
use crate::filesystem::{FileSystemError, FileType};

/// Most names that may differ.
const MAX_NAMES: usize = 1_000_000;

/// Three parts of a name: of directories, directory, index and name; of inodes, inode, directory and name.
type Triples<'a> = BTreeSet<(u64, u64, &'a [u8])>;

/// Replays the log at `root` of a subvolume.
///
/// # Errors
/// If it is damaged, larger than the memory left, or can't be read.
pub(super) fn replay(
    subvolume: Subvolume<'_>,
    root: &Pointer,
    memory: &mut Reservation,
) -> Result<LogTree, FileSystemError> {
    let items = items(subvolume, root, memory)?;
    let mut replay = LogReplay {
        subvolume,
        ranges: ranges(&items)?,
        listed: listed(&items)?,
        references: references(&items)?,
        log: LogTree::default(),
        changes: 0,
    };
    let items = live(&items)?;
    let of_kind = |kinds: &'static [u8]| {
        let items = items.iter();
        items.filter(move |item| kinds.contains(&item.key.kind))
    };
    for item in of_kind(&[item::INODE]) {
        replay.inode(item)?;
    }
    for item in of_kind(&[item::DIR_INDEX]) {
        replay.directory_item(item)?;
    }
    for item in of_kind(&[item::INODE_REF, item::INODE_EXTREF]) {
        replay.inode_references(item)?;
    }
    for item in of_kind(&[item::EXTENT_DATA]) {
        let place = (item.key.id, item.key.offset);
        replay.log.extents.insert(place, (*item).clone());
    }
    Ok(replay.log)
}

/// A replay in progress.
struct LogReplay<'a> {
    subvolume: Subvolume<'a>,
    /// By directory: first and last index of each range that is complete in the log.
    ranges: BTreeMap<u64, Vec<(u64, u64)>>,
    /// Directory, index and name of each entry in the log.
    listed: Triples<'a>,
    /// Inode, directory and name of each reference in the log.
    references: Triples<'a>,
    log: LogTree,
    changes: usize,
}

impl LogReplay<'_> {
    /// Returns the subvolume as replayed so far.
    fn now(&self) -> Subvolume<'_> {
        Subvolume {
            log: Some(&self.log),
            ..self.subvolume
        }
    }

    fn set(
        &mut self,
        directory: u64,
        name: &[u8],
        target: Option<Key>,
    ) -> Result<(), FileSystemError> {
        self.changes += 1;
        if self.changes > MAX_NAMES {
            return damaged(format!("a log that changes over {MAX_NAMES} names"));
        }
        let names = self.log.names.entry(directory).or_default();
        names.insert(name.to_vec(), target);
        Ok(())
    }

    fn inode(&mut self, item: &TreeItem) -> Result<(), FileSystemError> {
        let number = item.key.id;
        let mut inode = InodeItem::parse(item.data())?;
        if inode.file_type == FileType::Directory {
            self.deletions(number)?;
        }
        // An inode without a generation was logged as a placeholder: an existing one stays, but for a size in the log.
        if inode.generation == 0
            && let Some(existing) = self.subvolume.inode(number)?
        {
            let both_files =
                (inode.file_type, existing.file_type) == (FileType::File, FileType::File);
            let size = if both_files && inode.size != 0 {
                inode.size
            } else {
                existing.size
            };
            inode = InodeItem { size, ..existing };
        }
        self.log.inodes.insert(number, inode);
        Ok(())
    }

    /// Removes names that are missing in a range that is complete in the log.
    fn deletions(&mut self, directory: u64) -> Result<(), FileSystemError> {
        let Subvolume { trees, root, .. } = self.subvolume;
        let mut from = 0;
        for (start, end) in self.ranges.remove(&directory).unwrap_or_default() {
            let start = Key::new(directory, item::DIR_INDEX, start.max(from));
            for item in trees.from(&root, start)? {
                let item = item?;
                let key = item.key;
                if (key.id, key.kind) != (directory, item::DIR_INDEX) || key.offset > end {
                    break;
                }
                for entry in item::names(item.data()) {
                    let name = entry?.name;
                    if !self.listed.contains(&(directory, key.offset, name)) {
                        self.set(directory, name, None)?;
                    }
                }
            }
            from = end.saturating_add(1);
        }
        Ok(())
    }

    fn directory_item(&mut self, item: &TreeItem) -> Result<(), FileSystemError> {
        let directory = item.key.id;
        for entry in item::names(item.data()) {
            let entry = entry?;
            let (name, target) = (entry.name, entry.target);
            // Names of inodes that were never synced are skipped. Subvolumes are never logged: they take a commit.
            let exists = target.kind == item::INODE && self.now().inode(target.id)?.is_some();
            if !exists || self.now().lookup(directory, name)? == Some(target) {
                continue;
            }
            // An inode's own reference adds the name later.
            let later = self.references.contains(&(target.id, directory, name));
            self.set(directory, name, (!later).then_some(target))?;
        }
        Ok(())
    }

    fn inode_references(&mut self, item: &TreeItem) -> Result<(), FileSystemError> {
        let target = Key::new(item.key.id, item::INODE, 0);
        if target.id == ROOT_DIRECTORY {
            // The root refers to itself, as `..`.
            return Ok(());
        }
        if self.now().inode(target.id)?.is_none() {
            return damaged(format!("the log names inode {}, which is gone", target.id));
        }
        for (directory, name) in item::references(item)? {
            // A directory that was not logged may be gone.
            if self.now().inode(directory)?.is_none() {
                return Ok(());
            }
            if self.now().lookup(directory, name)? != Some(target) {
                self.set(directory, name, Some(target))?;
            }
        }
        // The item replaces the one in the tree, so the old item's other names are gone.
        let Subvolume { trees, root, .. } = self.subvolume;
        if let Some(old) = trees.get(&root, item.key)? {
            for (directory, name) in item::references(&old)? {
                if !self.references.contains(&(target.id, directory, name))
                    && self.now().lookup(directory, name)? == Some(target)
                {
                    self.set(directory, name, None)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the items of a log that are used here.
fn items(
    subvolume: Subvolume<'_>,
    root: &Pointer,
    memory: &mut Reservation,
) -> Result<Vec<TreeItem>, FileSystemError> {
    const KINDS: [u8; 6] = [
        item::INODE,
        item::INODE_REF,
        item::INODE_EXTREF,
        item::DIR_LOG_INDEX,
        item::DIR_INDEX,
        item::EXTENT_DATA,
    ];
    let mut items: Vec<TreeItem> = Vec::new();
    for item in subvolume.trees.from(root, Key::new(0, 0, 0))? {
        let item = item?;
        if !KINDS.contains(&item.key.kind) {
            continue;
        }
        if items.last().is_none_or(|last| !last.shares_leaf(&item)) {
            memory.try_grow(subvolume.trees.node_size)?;
        }
        items.push(item);
    }
    Ok(items)
}

/// Returns the items without those of unnamed inodes: no path leads there.
fn live(items: &[TreeItem]) -> Result<Vec<&TreeItem>, FileSystemError> {
    let mut nameless = BTreeSet::new();
    for item in items.iter().filter(|item| item.key.kind == item::INODE) {
        if InodeItem::parse(item.data())?.links == 0 {
            nameless.insert(item.key.id);
        }
    }
    let live = items.iter().filter(|item| !nameless.contains(&item.key.id));
    Ok(live.collect())
}

fn ranges(items: &[TreeItem]) -> Result<BTreeMap<u64, Vec<(u64, u64)>>, FileSystemError> {
    let mut ranges: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for item in items
        .iter()
        .filter(|item| item.key.kind == item::DIR_LOG_INDEX)
    {
        let range = (item.key.offset, item::range_end(item.data())?);
        ranges.entry(item.key.id).or_default().push(range);
    }
    Ok(ranges)
}

fn listed(items: &[TreeItem]) -> Result<Triples<'_>, FileSystemError> {
    let mut listed = BTreeSet::new();
    for item in items.iter().filter(|item| item.key.kind == item::DIR_INDEX) {
        for entry in item::names(item.data()) {
            listed.insert((item.key.id, item.key.offset, entry?.name));
        }
    }
    Ok(listed)
}

fn references(items: &[TreeItem]) -> Result<Triples<'_>, FileSystemError> {
    let kinds = [item::INODE_REF, item::INODE_EXTREF];
    let mut all = BTreeSet::new();
    for item in items.iter().filter(|item| kinds.contains(&item.key.kind)) {
        for (directory, name) in item::references(item)? {
            all.insert((item.key.id, directory, name));
        }
    }
    Ok(all)
}
