//! The log: changes that were synced to the disk since the last commit, as an overlay of a subvolume's tree.

use std::collections::BTreeMap;

use super::item::InodeItem;
use super::tree::{Key, TreeItem};

/// Names of a directory that differ from its subvolume's tree, with the keys they stand for: `None` if the name is gone.
pub(super) type LoggedNames = BTreeMap<Vec<u8>, Option<Key>>;

/// Differences between a subvolume and its tree.
#[derive(Default)]
pub(super) struct LogTree {
    pub(super) inodes: BTreeMap<u64, InodeItem>,
    /// By directory.
    pub(super) names: BTreeMap<u64, LoggedNames>,
    /// By inode, and offset in the file.
    pub(super) extents: BTreeMap<(u64, u64), TreeItem>,
}

impl LogTree {
    /// Returns the last extent of a file that does not begin after `offset`.
    pub(super) fn extent_at_or_before(&self, inode: u64, offset: u64) -> Option<&TreeItem> {
        let (_, item) = self
            .extents
            .range((inode, 0)..=(inode, offset))
            .next_back()?;
        Some(item)
    }

    /// Returns the beginning of the first extent of a file after `offset`.
    pub(super) fn next_extent(&self, inode: u64, offset: u64) -> u64 {
        let after = offset.saturating_add(1);
        let next = self
            .extents
            .range((inode, after)..=(inode, u64::MAX))
            .next();
        next.map_or(u64::MAX, |((_, offset), _)| *offset)
    }
}
