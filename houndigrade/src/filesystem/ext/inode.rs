//! Inodes: type of a file, and place of its contents.

use super::groups::inode_table;
use super::volume::ExtVolume;
use super::{FileSystemError, FileType};
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;

const ENCRYPTED: u32 = 0x800;
const USES_EXTENTS: u32 = 0x8_0000;
const IS_INLINE: u32 = 0x1000_0000;

/// Size of the part that all inodes have.
const CLASSIC_SIZE: usize = 128;
/// Offset of the map of the file, or of the file itself.
const MAP: std::ops::Range<usize> = 0x28..0x64;
/// Offsets of the halves of the checksum. Inodes of the classic size have no second.
const CHECKSUM_LOW: usize = 0x7c;
const CHECKSUM_HIGH: usize = 0x82;

/// Begins the extended attributes that lie in an inode.
const ATTRIBUTES: [u8; 4] = 0xea02_0000_u32.to_le_bytes();
/// Stands for `system.` in the name of an attribute.
const SYSTEM: u8 = 7;

/// A file, directory, symlink or special file.
pub(super) struct ExtInode {
    pub(super) number: u32,
    pub(super) kind: FileType,
    /// Size in bytes, below 2^63.
    pub(super) size: u64,
    /// Initial value of the checksums of its blocks.
    pub(super) checksum_seed: u32,
    flags: u32,
    bytes: Vec<u8>,
}

impl ExtInode {
    /// Number of the root directory's inode.
    pub(super) const ROOT: u32 = 2;

    pub(super) fn read(volume: ExtVolume, number: u32) -> Result<Self, FileSystemError> {
        let superblock = volume.superblock;
        let damaged = |what: &str| volume.damaged(format!("inode {number} {what}"));
        if number == 0 || number > superblock.inodes() {
            return Err(damaged("is beyond its end"));
        }
        let per_group = superblock.inodes_per_group();
        let (group, index) = ((number - 1) / per_group, (number - 1) % per_group);
        let table = inode_table(volume, group)?;
        let offset = u64::from(index) * superblock.inode_size();
        if !volume.has(table, offset / volume.block_size() + 1) {
            return Err(damaged("is beyond its end"));
        }
        let mut bytes = vec![0; superblock.inode_size() as usize];
        let at = table * volume.block_size() + offset;
        volume.disk.read_at(at, &mut bytes)?;

        let field = |offset| le32(&bytes, offset).unwrap_or_default();
        let seed = crc32c(superblock.checksum_seed(), &number.to_le_bytes());
        let checksum_seed = crc32c(seed, &field(0x64).to_le_bytes());
        let kind = match field(0) & 0xf000 {
            0x8000 => FileType::File,
            0x4000 => FileType::Directory,
            0xa000 => FileType::Symlink,
            0x1000 | 0x2000 | 0x6000 | 0xc000 => FileType::Special,
            _ => return Err(damaged("is of no kind")),
        };
        // The high half has another meaning where it isn't needed.
        let has_high_half = kind == FileType::File
            || kind == FileType::Directory && superblock.has_large_directories();
        let high = if has_high_half { field(0x6c) } else { 0 };
        let size = u64::from(field(0x4)) | u64::from(high) << 32;
        if i64::try_from(size).is_err() {
            return Err(damaged("is larger than any file"));
        }
        let inode = Self {
            number,
            kind,
            size,
            checksum_seed,
            flags: field(0x20),
            bytes,
        };
        if superblock.has_checksums() && !inode.fits_its_checksum() {
            return Err(damaged("does not fit its checksum"));
        }
        Ok(inode)
    }

    fn fits_its_checksum(&self) -> bool {
        let mut bytes = self.bytes.clone();
        let has_high_half = bytes.len() > CLASSIC_SIZE && self.half(CLASSIC_SIZE) >= 4;
        let mut stated = u32::from(self.half(CHECKSUM_LOW));
        bytes[CHECKSUM_LOW..CHECKSUM_LOW + 2].fill(0);
        let mut mask = 0xffff;
        if has_high_half {
            stated |= u32::from(self.half(CHECKSUM_HIGH)) << 16;
            bytes[CHECKSUM_HIGH..CHECKSUM_HIGH + 2].fill(0);
            mask = !0;
        }
        crc32c(self.checksum_seed, &bytes) & mask == stated
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0
    }

    pub(super) fn uses_extents(&self) -> bool {
        self.flags & USES_EXTENTS != 0
    }

    pub(super) fn is_inline(&self) -> bool {
        self.flags & IS_INLINE != 0
    }

    /// Returns 60 bytes: the root of the map of its blocks, the target of a short symlink, or the beginning of inline contents.
    pub(super) fn map(&self) -> &[u8] {
        &self.bytes[MAP]
    }

    /// Returns the inline contents behind their first 60 bytes: in the attribute `system.data`. `None` if it is damaged or missing.
    pub(super) fn inline_rest(&self) -> Option<&[u8]> {
        let start = CLASSIC_SIZE + usize::from(self.half(CLASSIC_SIZE));
        let attributes = self.bytes.get(start..)?.strip_prefix(&ATTRIBUTES)?;
        let mut entries = attributes;
        loop {
            let [name_length, space, low, high] = array(entries, 0)?;
            let name_end = 16 + usize::from(name_length);
            if (space, entries.get(16..name_end)?) == (SYSTEM, b"data") {
                let value = attributes.get(u16::from_le_bytes([low, high]).into()..)?;
                return value.get(..le32(entries, 8)? as usize);
            }
            entries = entries.get(name_end.next_multiple_of(4)..)?;
        }
    }

    fn half(&self, offset: usize) -> u16 {
        array(&self.bytes, offset).map_or(0, u16::from_le_bytes)
    }
}
