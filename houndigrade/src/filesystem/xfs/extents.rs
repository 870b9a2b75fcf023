//! Maps of files: a list of extents in the inode, or a tree.

use super::inode::{DataFork, EXTENT, XfsInode};
use super::volume::{BlockHeader, XfsVolume};
use super::{FileSystemError, damaged};
use crate::bytes::{be16, be64};
use crate::filesystem::extent_tree::{ExtentBlocks, ExtentEntry, ExtentNode, ExtentTree};

/// First words of a node, and the sizes of its header, in version 4 and 5.
const MAGIC_V4: &[u8] = b"BMAP";
const MAGIC_V5: &[u8] = b"BMA3";
const HEADER_V4: usize = 24;
const HEADER_V5: usize = 72;
const HEADER: BlockHeader = BlockHeader {
    checksum: 64,
    place: 24,
    uuid: 40,
    owner: 56,
};
/// Size of the header of the root, in the inode.
const ROOT_HEADER: usize = 4;
/// Size of a block number, and of the first block of a child.
const NUMBER: usize = 8;
/// Linux allows no deeper trees.
const MAX_DEPTH: usize = 14;

pub(super) type XfsExtents<'a> = ExtentTree<BlocksOfInode<'a>>;

/// The nodes of an inode's tree.
pub(super) struct BlocksOfInode<'a> {
    volume: &'a XfsVolume,
    inode: u64,
}

/// Opens the map of an inode.
pub(super) fn open<'a>(
    volume: &'a XfsVolume,
    inode: &XfsInode,
) -> Result<XfsExtents<'a>, FileSystemError> {
    let blocks = BlocksOfInode {
        volume,
        inode: inode.number,
    };
    let root = match &inode.data {
        DataFork::Extents(list) => blocks.leaf(list),
        DataFork::Tree(root) => blocks.root(root),
        DataFork::Local(_) | DataFork::Device => None,
    };
    let root = root.ok_or_else(|| blocks.contradiction())?;
    Ok(ExtentTree::new(blocks, root))
}

impl ExtentBlocks for BlocksOfInode<'_> {
    fn node(&self, number: u64, depth: usize) -> Result<ExtentNode, FileSystemError> {
        let (volume, superblock) = (self.volume, &self.volume.superblock);
        let mut bytes = vec![0; superblock.block_size as usize];
        volume.block(number, &mut bytes)?;
        let is_replayed = volume.is_replayed(number, 1);
        volume.check(&HEADER, &bytes, number, self.inode, is_replayed)?;
        let (magic, header) = if superblock.v5 {
            (MAGIC_V5, HEADER_V5)
        } else {
            (MAGIC_V4, HEADER_V4)
        };
        let (level, count) = (be16(&bytes, 4), be16(&bytes, 6).map(usize::from));
        let entries = bytes.split_off(header);
        let node = (bytes.starts_with(magic) && level.map(usize::from) == Some(depth)).then(|| {
            let count = count.filter(|&count| count > 0)?;
            if depth == 0 {
                self.leaf(entries.get(..count.checked_mul(EXTENT)?)?)
            } else {
                self.inner(&entries, count, depth)
            }
        });
        node.flatten().ok_or_else(|| self.contradiction())
    }
}

impl BlocksOfInode<'_> {
    fn root(&self, fork: &[u8]) -> Option<ExtentNode> {
        let (depth, count) = (be16(fork, 0)?.into(), be16(fork, 2)?.into());
        if !(1..=MAX_DEPTH).contains(&depth) || count == 0 {
            return None;
        }
        self.inner(&fork[ROOT_HEADER..], count, depth)
    }

    /// Parses a list of extents.
    fn leaf(&self, list: &[u8]) -> Option<ExtentNode> {
        let extents = list.chunks_exact(EXTENT).map(|bytes| self.extent(bytes));
        ExtentNode::new(0, extents.collect::<Option<_>>()?)
    }

    /// Parses 1 bit for an unwritten extent, 54 for its first block in the file, 52 for that on the disk, 21 for its length.
    fn extent(&self, bytes: &[u8]) -> Option<ExtentEntry> {
        let (high, low) = (be64(bytes, 0)?, be64(bytes, 8)?);
        let length = low & 0x1f_ffff;
        let number = (high & 0x1ff) << 43 | low >> 21;
        (length > 0).then_some(ExtentEntry {
            logical: high << 1 >> 10,
            length,
            physical: self.volume.superblock.block(number, length)?,
            written: high >> 63 == 0,
        })
    }

    /// Parses as many first blocks as there is room for, then as many numbers of blocks.
    fn inner(&self, entries: &[u8], count: usize, depth: usize) -> Option<ExtentNode> {
        let room = entries.len() / (2 * NUMBER);
        if count > room {
            return None;
        }
        let child = |index: usize| {
            let number = be64(entries, (room + index) * NUMBER)?;
            Some(ExtentEntry {
                logical: be64(entries, index * NUMBER).filter(|&at| at < 1 << 54)?,
                length: 1,
                physical: self.volume.superblock.block(number, 1)?,
                written: true,
            })
        };
        ExtentNode::new(depth, (0..count).map(child).collect::<Option<_>>()?)
    }

    fn contradiction(&self) -> FileSystemError {
        damaged(format!(
            "inode {} has a map of extents that contradicts itself",
            self.inode
        ))
    }
}
