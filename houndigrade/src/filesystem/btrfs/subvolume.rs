//! One subvolume: its tree, overlaid by its log.

use super::checksum::name_hash;
use super::item::{self, Extent, InodeItem};
use super::log::{LogTree, LoggedNames};
use super::tree::{Key, Pointer, TreeItems, Trees};
use crate::filesystem::{FileSystemError, FileType};

/// The directory at the root of every subvolume.
pub(super) const ROOT_DIRECTORY: u64 = 256;
/// In a snapshot, Linux shows subvolumes of the original as empty directories with this number.
pub(super) const EMPTY_DIRECTORY: u64 = 2;

#[derive(Clone, Copy)]
pub(super) struct Subvolume<'a> {
    pub(super) id: u64,
    pub(super) trees: &'a Trees,
    pub(super) root: Pointer,
    pub(super) log: Option<&'a LogTree>,
    pub(super) sector_size: usize,
}

/// A part of a file: a slice of one extent.
pub(super) struct ExtentSlice {
    pub(super) extent: Extent,
    /// Offset in the file of the extent's beginning.
    pub(super) start: u64,
    /// Offset in the file of the slice's end.
    pub(super) end: u64,
}

impl<'a> Subvolume<'a> {
    /// Returns the inode with this number.
    ///
    /// # Errors
    /// If the tree is damaged or can't be read; so for all methods.
    pub(super) fn inode(&self, number: u64) -> Result<Option<InodeItem>, FileSystemError> {
        if number == EMPTY_DIRECTORY {
            return Ok(Some(InodeItem {
                generation: 0,
                size: 0,
                links: 1,
                file_type: FileType::Directory,
            }));
        }
        if let Some(inode) = self.log.and_then(|log| log.inodes.get(&number)) {
            return Ok(Some(*inode));
        }
        let item = self
            .trees
            .get(&self.root, Key::new(number, item::INODE, 0))?;
        item.map(|item| InodeItem::parse(item.data())).transpose()
    }

    /// Returns the target of `name` in a directory: the key of an inode, or of another subvolume's root.
    ///
    /// # Errors
    /// As for [`inode`](Self::inode).
    pub(super) fn lookup(
        &self,
        directory: u64,
        name: &[u8],
    ) -> Result<Option<Key>, FileSystemError> {
        if let Some(target) = self
            .logged_names(directory)
            .and_then(|names| names.get(name))
        {
            return Ok(*target);
        }
        let key = Key::new(directory, item::DIR_ITEM, name_hash(name));
        let Some(found) = self.trees.get(&self.root, key)? else {
            return Ok(None);
        };
        for entry in item::names(found.data()) {
            let entry = entry?;
            if entry.name == name {
                return Ok(Some(entry.target));
            }
        }
        Ok(None)
    }

    /// Calls `visit` with each name in a directory.
    ///
    /// # Errors
    /// As for [`inode`](Self::inode), and those of `visit`.
    pub(super) fn names(
        &self,
        directory: u64,
        mut visit: impl FnMut(&[u8]) -> Result<(), FileSystemError>,
    ) -> Result<(), FileSystemError> {
        let logged = self.logged_names(directory);
        for found in self.trees.all(&self.root, directory, item::DIR_INDEX)? {
            for entry in item::names(found?.data()) {
                let name = entry?.name;
                if logged.is_none_or(|names| !names.contains_key(name)) {
                    visit(name)?;
                }
            }
        }
        for (name, target) in logged.into_iter().flatten() {
            if target.is_some() {
                visit(name)?;
            }
        }
        Ok(())
    }

    fn logged_names(&self, directory: u64) -> Option<&'a LoggedNames> {
        self.log?.names.get(&directory)
    }

    /// Returns the part of a file with the byte at `offset`.
    ///
    /// # Errors
    /// As for [`inode`](Self::inode).
    pub(super) fn piece(&self, inode: u64, offset: u64) -> Result<ExtentSlice, FileSystemError> {
        let mut end = u64::MAX;
        if let Some(log) = self.log {
            if let Some(piece) = self.logged_piece(log, inode, offset)? {
                return Ok(piece);
            }
            end = log.next_extent(inode, offset);
        }
        let key = Key::new(inode, item::EXTENT_DATA, offset);
        if let Some(found) = self.trees.at_or_before(&self.root, key)?
            && (found.key.id, found.key.kind) == (key.id, key.kind)
        {
            let (extent, length) = Extent::parse(&found)?;
            let start = found.key.offset;
            let extent_end = start.saturating_add(length);
            if offset < extent_end {
                return Ok(ExtentSlice {
                    extent,
                    start,
                    end: end.min(extent_end),
                });
            }
        }
        if let Some(next) = self.next_extent(key)? {
            end = end.min(next);
        }
        Ok(ExtentSlice {
            extent: Extent::Zeros,
            start: offset,
            end,
        })
    }

    /// Returns the offset of the first extent behind a hole.
    fn next_extent(&self, hole: Key) -> Result<Option<u64>, FileSystemError> {
        let mut items: TreeItems<'_> = self.trees.from(&self.root, hole)?;
        let next = items
            .by_ref()
            .find(|item| item.as_ref().map_or(true, |item| item.key > hole))
            .transpose()?;
        Ok(next
            .filter(|next| (next.key.id, next.key.kind) == (hole.id, hole.kind))
            .map(|next| next.key.offset))
    }

    /// Returns the same from the log, if it is there.
    fn logged_piece(
        &self,
        log: &LogTree,
        inode: u64,
        offset: u64,
    ) -> Result<Option<ExtentSlice>, FileSystemError> {
        let Some(item) = log.extent_at_or_before(inode, offset) else {
            return Ok(None);
        };
        let (extent, mut length) = Extent::parse(item)?;
        let start = item.key.offset;
        if let Extent::Inline { .. } = extent {
            // It replaced the whole sector.
            length = length.next_multiple_of(self.sector_size as u64);
        }
        let extent_end = start.saturating_add(length);
        Ok((offset < extent_end).then(|| ExtentSlice {
            extent,
            start,
            end: extent_end.min(log.next_extent(inode, offset)),
        }))
    }
}
