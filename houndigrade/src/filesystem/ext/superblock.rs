//! The superblock: geometry and features.

use super::FileSystemError;
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;
use crate::source::BlockSource;

/// Largest blocks that Linux allows: 64 KiB.
const MAX_BLOCK_SIZE_LOG: u32 = 6;

/// The journal has to be replayed.
const NEEDS_RECOVERY: u32 = 0x4;
const META_BG: u32 = 0x10;
const IS_64BIT: u32 = 0x80;
const CHECKSUM_SEED: u32 = 0x2000;
const LARGE_DIR: u32 = 0x4000;
/// Incompatible features that are supported or have no effect on reading files: types in directory entries, a journal,
/// groups of groups, extents, 64 bits, `mmp`, `flex_bg`, `ea_inode`, a seed of checksums, large directories, inline data,
/// encryption.
const KNOWN: u32 = 0x2
    | NEEDS_RECOVERY
    | META_BG
    | 0x40
    | IS_64BIT
    | 0x100
    | 0x200
    | 0x400
    | CHECKSUM_SEED
    | LARGE_DIR
    | 0x8000
    | 0x1_0000;
/// Features that this version can't read.
const UNSUPPORTED: [(u32, &str); 4] = [
    (0x1, "ext4 with compression"),
    (0x8, "the journal of another file system"),
    (0x1000, "ext4 with dirdata"),
    (0x2_0000, "ext4 with casefold"),
];
const HAS_JOURNAL: u32 = 0x4;
/// Compatible feature: two copies of the superblock, in the groups named in it.
const SPARSE_SUPER2: u32 = 0x200;
/// Features that only writers must know: copies of the superblock in few groups; checksums of everything but contents.
const SPARSE_SUPER: u32 = 0x1;
const METADATA_CSUM: u32 = 0x400;
/// Offset of the checksum, if there is one, which covers all before it.
const CHECKSUM: usize = 0x3fc;

/// A checked superblock: it claims no more than the disk has.
pub(super) struct ExtSuperblock {
    pub(super) kind: &'static str,
    bytes: [u8; Self::SIZE],
}

impl ExtSuperblock {
    /// Beginning and length of the superblock, in bytes.
    pub(super) const OFFSET: u64 = 1024;
    pub(super) const SIZE: usize = 1024;

    pub(super) fn read(
        kind: &'static str,
        partition: &dyn BlockSource,
    ) -> Result<Self, FileSystemError> {
        let mut bytes = [0; Self::SIZE];
        partition.read_at(Self::OFFSET, &mut bytes)?;
        let superblock = Self { kind, bytes };
        superblock.check_features()?;
        superblock.check_geometry(partition.size())?;
        if superblock.has_checksums() && superblock.field(CHECKSUM) != superblock.checksum() {
            return Err(superblock.damaged("its superblock does not fit its checksum".into()));
        }
        Ok(superblock)
    }

    fn check_features(&self) -> Result<(), FileSystemError> {
        let features = self.incompatible();
        if let Some((_, what)) = UNSUPPORTED.iter().find(|(bit, _)| features & bit != 0) {
            return Err(FileSystemError::Unsupported(what));
        }
        match features & !KNOWN {
            0 => Ok(()),
            unknown => Err(self.damaged(format!("it has unknown features, {unknown:#x}"))),
        }
    }

    /// Refuses values that would make a reader allocate without bound.
    fn check_geometry(&self, partition: u64) -> Result<(), FileSystemError> {
        let (block_size_log, blocks_per_group) = (self.field(0x18), self.field(0x20));
        if block_size_log > MAX_BLOCK_SIZE_LOG {
            return Err(self.damaged(format!(
                "blocks of 2^{} bytes; 64 KiB is the limit",
                block_size_log.saturating_add(10)
            )));
        }
        let size = self.blocks().saturating_mul(self.block_size());
        if size > partition {
            return Err(self.damaged(format!(
                "it is {size} bytes long, but its partition ends after {partition}"
            )));
        }
        if blocks_per_group == 0 || self.inodes_per_group() == 0 {
            return Err(self.damaged(format!(
                "groups of {blocks_per_group} blocks and {} inodes",
                self.inodes_per_group()
            )));
        }
        if self.descriptor_size() < 32 || self.descriptor_size() > 1024 {
            let size = self.descriptor_size();
            return Err(self.damaged(format!("descriptors of groups of {size} bytes")));
        }
        if self.inode_size() < 128 || self.inode_size() > self.block_size() {
            let size = self.inode_size();
            return Err(self.damaged(format!("inodes of {size} bytes")));
        }
        Ok(())
    }

    /// Returns the size of a block in bytes, a power of two from 1024 to 65536.
    pub(super) fn block_size(&self) -> u64 {
        1024 << self.field(0x18).min(MAX_BLOCK_SIZE_LOG)
    }

    pub(super) fn needs_recovery(&self) -> bool {
        self.incompatible() & NEEDS_RECOVERY != 0
    }

    /// Returns the inode of the journal; `None` if it is elsewhere or there is none.
    pub(super) fn journal_inode(&self) -> Option<u32> {
        let number = self.field(0xe0);
        (self.field(0x5c) & HAS_JOURNAL != 0 && number != 0).then_some(number)
    }

    /// Returns the number of blocks, which all lie on the disk.
    pub(super) fn blocks(&self) -> u64 {
        // The high half counts in any case, as for Linux.
        u64::from(self.field(0x4)) | u64::from(self.field(0x150)) << 32
    }

    pub(super) fn inodes(&self) -> u32 {
        self.field(0)
    }

    /// Returns a number above zero.
    pub(super) fn inodes_per_group(&self) -> u32 {
        self.field(0x28)
    }

    /// Returns the size of an inode in bytes, from 128 to that of a block.
    pub(super) fn inode_size(&self) -> u64 {
        // The first revision has inodes of one size, and no field for it.
        if self.field(0x4c) == 0 {
            128
        } else {
            self.half(0x58).into()
        }
    }

    /// Returns the size of a group's descriptor in bytes, from 32 to 1024.
    pub(super) fn descriptor_size(&self) -> u64 {
        if self.incompatible() & IS_64BIT != 0 {
            self.half(0xfe).into()
        } else {
            32
        }
    }

    /// Returns the block with the descriptor of `group`.
    pub(super) fn descriptor_block(&self, group: u32) -> u64 {
        let in_block = self.block_size() / self.descriptor_size();
        let nth = u64::from(group) / in_block;
        let superblock = Self::OFFSET / self.block_size();
        if self.incompatible() & META_BG == 0 || nth < self.field(0x104).into() {
            return superblock + 1 + nth;
        }
        // Each such block is in the first of the groups it describes, behind the copy of the superblock if there is one.
        let first = nth * in_block;
        let start = u64::from(self.field(0x14)) + first * u64::from(self.field(0x20));
        start + u64::from(self.is_in_group(first))
    }

    /// Returns whether `group` has a copy of the superblock.
    fn is_in_group(&self, group: u64) -> bool {
        let power_of = |base: u64| {
            let power = std::iter::successors(Some(base), |power| power.checked_mul(base));
            power.take_while(|&power| power <= group).last() == Some(group)
        };
        if self.field(0x5c) & SPARSE_SUPER2 != 0 {
            let copies = [self.field(0x24c), self.field(0x250)];
            return group == 0 || copies.iter().any(|&copy| group == u64::from(copy));
        }
        group <= 1
            || self.compatible_to_read() & SPARSE_SUPER == 0
            || [3, 5, 7].into_iter().any(power_of)
    }

    /// Returns whether everything but contents has a checksum.
    pub(super) fn has_checksums(&self) -> bool {
        self.compatible_to_read() & METADATA_CSUM != 0
    }

    /// Returns whether directories have sizes of 64 bits.
    pub(super) fn has_large_directories(&self) -> bool {
        self.incompatible() & LARGE_DIR != 0
    }

    /// Returns the initial value of all checksums but the superblock's own.
    pub(super) fn checksum_seed(&self) -> u32 {
        if self.incompatible() & CHECKSUM_SEED != 0 {
            self.field(0x270)
        } else {
            crc32c(!0, &self.bytes[0x68..0x78])
        }
    }

    pub(super) fn damaged(&self, what: String) -> FileSystemError {
        FileSystemError::Damaged {
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

    fn compatible_to_read(&self) -> u32 {
        self.field(0x64)
    }

    fn field(&self, offset: usize) -> u32 {
        le32(&self.bytes, offset).unwrap_or_default()
    }

    fn half(&self, offset: usize) -> u16 {
        array(&self.bytes, offset).map_or(0, u16::from_le_bytes)
    }
}
