//! The superblock, with the log replayed: where blocks and inodes lie.

use super::{FileSystemError, checksum, damaged, geometry};
use crate::bytes::{array, be16, be32, be64};

/// Names are compared without regard to case.
const IGNORES_CASE: u16 = 0x4000;
/// In version 4: entries of directories have the type of their file.
const FILE_TYPES_V4: u32 = 0x200;

/// Incompatible features of version 5.
const FILE_TYPES: u32 = 0x1;
const META_UUID: u32 = 0x4;
const NEEDS_REPAIR: u32 = 0x10;
const LARGE_COUNTS: u32 = 0x20;
/// Those that change nothing that is read here, too: sparse inodes, times in 64 bits, exchanged ranges, parent pointers, a
/// directory of metadata.
const KNOWN: u32 = FILE_TYPES | 0x2 | META_UUID | 0x8 | LARGE_COUNTS | 0x40 | 0x80 | 0x100;

/// Largest block of a directory in bytes.
const MAX_DIRECTORY_BLOCK: u64 = 65536;

#[derive(Debug)]
pub(super) struct XfsSuperblock {
    /// Every structure has a checksum, its place and its owner.
    pub(super) v5: bool,
    pub(super) has_file_types: bool,
    /// Inodes may count their extents in 64 bits.
    pub(super) has_large_counts: bool,
    pub(super) root: u64,
    pub(super) block_size: u64,
    /// Blocks in a block of a directory.
    pub(super) directory_blocks: u64,
    pub(super) inode_size: usize,
    /// The UUID in every structure but the superblock.
    pub(super) uuid: [u8; 16],
    blocks: u64,
    group_blocks: u64,
    /// Bits of a block's number in its group, and of an inode's number in its block.
    block_bits: u32,
    inode_bits: u32,
}

impl XfsSuperblock {
    /// Parses the first sector of a partition of `size` bytes.
    pub(super) fn parse(sector: &[u8], size: u64) -> Result<Self, FileSystemError> {
        let short = |offset| be16(sector, offset).unwrap_or_default();
        let word = |offset| be32(sector, offset).unwrap_or_default();
        let long = |offset| be64(sector, offset).unwrap_or_default();
        let byte = |offset: usize| sector.get(offset).copied().unwrap_or_default();

        let v5 = match short(100) & geometry::VERSION {
            4 => false,
            5 => true,
            other => return Err(damaged(format!("version {other} is not known"))),
        };
        let incompatible = if v5 { word(216) } else { 0 };
        if short(100) & IGNORES_CASE != 0 {
            return Err(FileSystemError::Unsupported("xfs that ignores case"));
        }
        if long(16) != 0 {
            return Err(FileSystemError::Unsupported("xfs with a realtime device"));
        }
        if incompatible & NEEDS_REPAIR != 0 {
            return Err(damaged("it is marked as in need of xfs_repair".into()));
        }
        if incompatible & !KNOWN != 0 {
            return Err(FileSystemError::Unsupported(
                "xfs with features of a later Linux",
            ));
        }
        if v5 && !checksum::fits(sector, geometry::CRC) {
            return Err(damaged("its superblock does not fit its checksum".into()));
        }
        if byte(126) != 0 {
            return Err(damaged("mkfs.xfs did not finish it".into()));
        }
        let uuid_at = if incompatible & META_UUID != 0 {
            248
        } else {
            32
        };
        let superblock = Self {
            v5,
            has_file_types: if v5 {
                incompatible & FILE_TYPES != 0
            } else {
                word(200) & FILE_TYPES_V4 != 0
            },
            has_large_counts: incompatible & LARGE_COUNTS != 0,
            root: long(56),
            block_size: word(4).into(),
            directory_blocks: 1_u64.checked_shl(byte(192).into()).unwrap_or_default(),
            inode_size: short(104).into(),
            uuid: array(sector, uuid_at).unwrap_or_default(),
            blocks: long(8),
            group_blocks: word(84).into(),
            block_bits: byte(124).into(),
            inode_bits: byte(123).into(),
        };
        if !superblock.is_possible(word(88).into(), size) {
            return Err(damaged("its superblock contradicts itself".into()));
        }
        Ok(superblock)
    }

    fn is_possible(&self, groups: u64, size: u64) -> bool {
        let inode_size = self.inode_size as u64;
        let ends = self.blocks.checked_mul(self.block_size);
        let directory_block = self.directory_blocks.checked_mul(self.block_size);
        self.block_size.is_power_of_two()
            && (512..=65536).contains(&self.block_size)
            && inode_size.is_power_of_two()
            && (256..=2048).contains(&inode_size)
            && self.inode_bits < 16
            && inode_size << self.inode_bits == self.block_size
            && directory_block.is_some_and(|bytes| (1..=MAX_DIRECTORY_BLOCK).contains(&bytes))
            && self.block_bits < 32
            && (1..=1 << self.block_bits).contains(&self.group_blocks)
            && self.blocks <= groups.saturating_mul(self.group_blocks)
            && ends.is_some_and(|end| end <= size)
    }

    /// Returns the number of a block from the beginning of the partition, if it and the `count - 1` blocks behind it lie in its
    /// group.
    pub(super) fn block(&self, number: u64, count: u64) -> Option<u64> {
        let within = number & ((1 << self.block_bits) - 1);
        let group = number >> self.block_bits;
        let first = group.checked_mul(self.group_blocks)?.checked_add(within)?;
        let fits = within.checked_add(count)? <= self.group_blocks
            && first.checked_add(count)? <= self.blocks;
        fits.then_some(first)
    }

    /// Returns the first byte of an inode.
    pub(super) fn inode(&self, number: u64) -> Option<u64> {
        let within = number & ((1 << self.inode_bits) - 1);
        let block = self.block(number >> self.inode_bits, 1)?;
        Some(block * self.block_size + within * self.inode_size as u64)
    }
}
