//! The superblock: geometry, and the features that decide whether the rest can be read.

use super::Error;
use super::checksum::crc32c;
use crate::bytes::{array, le32};
use crate::source::BlockSource;

/// Linux allows no larger blocks either: 64 KiB.
const MAX_BLOCK_SIZE_LOG: u32 = 6;
/// `ext4-view` holds the descriptors of all block groups in memory: 64 TiB in groups of 128 MiB.
const MAX_GROUPS: u64 = 512 * 1024;

/// The journal has to be replayed.
const NEEDS_RECOVERY: u32 = 0x4;
const IS_64BIT: u32 = 0x80;
/// Features that don't touch what is read here, and that `ext4-view` refuses: a guard against two machines that mount it at once
/// (`mmp`), and large extended attributes (`ea_inode`).
const HARMLESS: u32 = 0x100 | 0x400;
/// Features that this version can't read.
const UNSUPPORTED: [(u32, &str); 7] = [
    (0x1, "ext4 with compression"),
    (0x8, "the journal of another file system"),
    (0x10, "ext4 with meta_bg"),
    (0x1000, "ext4 with dirdata"),
    (0x4000, "ext4 with large_dir"),
    (0x8000, "ext4 with inline_data"),
    (0x2_0000, "ext4 with casefold"),
];
/// Directory entries have the type of their file. All do since 1999.
const FILE_TYPES: u32 = 0x2;
const HAS_JOURNAL: u32 = 0x4;
/// Where the checksum of all that is before it stands, if there is one.
const CHECKSUM: usize = 0x3fc;

/// A superblock that promises no more than the disk has.
pub(super) struct Superblock {
    pub(super) kind: &'static str,
    bytes: [u8; Self::SIZE],
}

impl Superblock {
    /// Where it begins, and how long it is, in bytes.
    pub(super) const OFFSET: u64 = 1024;
    pub(super) const SIZE: usize = 1024;

    pub(super) fn read(kind: &'static str, partition: &dyn BlockSource) -> Result<Self, Error> {
        let mut bytes = [0; Self::SIZE];
        partition.read_at(Self::OFFSET, &mut bytes)?;
        let superblock = Self { kind, bytes };
        superblock.check_features()?;
        superblock.check_geometry(partition.size())?;
        Ok(superblock)
    }

    fn check_features(&self) -> Result<(), Error> {
        let features = self.incompatible();
        if let Some((_, what)) = UNSUPPORTED.iter().find(|(bit, _)| features & bit != 0) {
            return Err(Error::Unsupported(what));
        }
        if features & FILE_TYPES == 0 {
            return Err(Error::Unsupported("ext2 without filetype"));
        }
        Ok(())
    }

    /// Refuses what would make a reader allocate without bound.
    fn check_geometry(&self, partition: u64) -> Result<(), Error> {
        // The high half counts whatever the features say, as it does for the reader.
        let blocks = u64::from(self.field(0x4)) | u64::from(self.field(0x150)) << 32;
        let (block_size_log, blocks_per_group) = (self.field(0x18), self.field(0x20));
        if block_size_log > MAX_BLOCK_SIZE_LOG {
            return Err(self.damaged(format!(
                "blocks of 2^{} bytes; 64 KiB is the limit",
                block_size_log.saturating_add(10)
            )));
        }
        let size = blocks.saturating_mul(self.block_size());
        if size > partition {
            return Err(self.damaged(format!(
                "it is {size} bytes long, but its partition ends after {partition}"
            )));
        }
        if blocks_per_group == 0 || blocks / u64::from(blocks_per_group) > MAX_GROUPS {
            return Err(self.damaged(format!(
                "{blocks} blocks in groups of {blocks_per_group}; {MAX_GROUPS} groups are the limit"
            )));
        }
        Ok(())
    }

    /// Size of a block in bytes, a power of two from 1024 to 65536.
    pub(super) fn block_size(&self) -> u64 {
        1024 << self.field(0x18).min(MAX_BLOCK_SIZE_LOG)
    }

    pub(super) fn needs_recovery(&self) -> bool {
        self.incompatible() & NEEDS_RECOVERY != 0
    }

    /// Inode of the journal; `None` if it is elsewhere or there is none.
    pub(super) fn journal_inode(&self) -> Option<u32> {
        let number = self.field(0xe0);
        (self.field(0x5c) & HAS_JOURNAL != 0 && number != 0).then_some(number)
    }

    /// The first 128 bytes of inode `number`.
    pub(super) fn inode(
        &self,
        partition: &dyn BlockSource,
        number: u32,
    ) -> Result<[u8; 128], Error> {
        let beyond = || self.damaged(format!("inode {number} is beyond its end"));
        let (group, index) = number
            .checked_sub(1)
            .and_then(|index| {
                let per_group = self.field(0x28);
                Some((index.checked_div(per_group)?, index.checked_rem(per_group)?))
            })
            .ok_or_else(beyond)?;

        let is_64bit = self.incompatible() & IS_64BIT != 0;
        let size = if is_64bit { self.half(0xfe) } else { 32 };
        let descriptors = (u64::from(self.field(0x14)) + 1) * self.block_size();
        let mut descriptor = [0; 64];
        let known = if is_64bit { 64 } else { 32 };
        partition.read_at(
            descriptors + u64::from(group) * u64::from(size),
            &mut descriptor[..known],
        )?;
        let half = |offset| u64::from(le32(&descriptor, offset).unwrap_or_default());
        // Without the feature, the second half of the descriptor is zeros.
        let table = half(0x8) | half(0x28) << 32;

        // The first revision has inodes of one size, and no field for it.
        let inode_size = if self.field(0x4c) == 0 {
            128
        } else {
            self.half(0x58)
        };
        let offset = table
            .checked_mul(self.block_size())
            .and_then(|table| table.checked_add(u64::from(index) * u64::from(inode_size)))
            .ok_or_else(beyond)?;
        let mut inode = [0; 128];
        partition.read_at(offset, &mut inode)?;
        Ok(inode)
    }

    /// The bytes of a file system whose journal has been replayed and that has no feature `ext4-view` stumbles over.
    pub(super) fn recovered(mut self) -> [u8; Self::SIZE] {
        // A checksum that was wrong must not become right.
        let sound = self.checksum() == self.field(CHECKSUM);
        let features = self.incompatible() & !(NEEDS_RECOVERY | HARMLESS);
        self.bytes[0x60..0x64].copy_from_slice(&features.to_le_bytes());
        if sound {
            let checksum = self.checksum().to_le_bytes();
            self.bytes[CHECKSUM..].copy_from_slice(&checksum);
        }
        self.bytes
    }

    pub(super) fn damaged(&self, what: String) -> Error {
        Error::Damaged {
            kind: self.kind,
            what,
        }
    }

    fn checksum(&self) -> u32 {
        crc32c(!0, &self.bytes[..CHECKSUM])
    }

    fn incompatible(&self) -> u32 {
        self.field(0x60)
    }

    fn field(&self, offset: usize) -> u32 {
        le32(&self.bytes, offset).unwrap_or_default()
    }

    fn half(&self, offset: usize) -> u16 {
        array(&self.bytes, offset).map_or(0, u16::from_le_bytes)
    }
}
