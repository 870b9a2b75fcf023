//! The places of the file system's parts, by its superblock.

use crate::bytes::{array, be16, be32, be64};
use crate::source::BlockSource;

use super::{FileSystemError, damaged};

/// Smallest and largest block and sector that the format allows, in bytes.
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;
const SECTOR_SIZES: std::ops::RangeInclusive<u16> = 512..=32768;

/// Bits of the version.
pub(super) const VERSION: u16 = 0xf;
/// Bit of the incompatible features: blocks carry another UUID than the superblock.
const META_UUID: u32 = 0x4;
/// Bits of the features of the log that [`recovery`](super::recovery) knows: logged changes of extended attributes.
const KNOWN_LOG_FEATURES: u32 = 0x1;

/// Offset of the superblock's checksum.
pub(super) const CRC: usize = 224;

/// The fields of the superblock for the log and its recovery; the rest counts only once the log is replayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// Version 5: every structure has a checksum, its owner's UUID and the place in the log of its last change.
    pub(super) v5: bool,
    /// Size in bytes.
    pub(super) size: u64,
    pub(super) sector_size: usize,
    pub(super) block_size: u32,
    /// Blocks in an allocation group.
    pub(super) group_blocks: u32,
    pub(super) inode_size: usize,
    pub(super) uuid: [u8; 16],
    /// The UUID in every structure but the superblock and the log.
    pub(super) structure_uuid: [u8; 16],
    /// First byte and size in bytes of the log.
    pub(super) log_start: u64,
    pub(super) log_size: u64,
}

impl Geometry {
    pub(super) fn read(partition: &dyn BlockSource) -> Result<Self, FileSystemError> {
        let mut superblock = vec![0; 512];
        partition.read_at(0, &mut superblock)?;
        let sector_size = be16(&superblock, 102).unwrap_or_default();
        if !SECTOR_SIZES.contains(&sector_size) || !sector_size.is_power_of_two() {
            return Err(damaged(format!("sectors of {sector_size} bytes")));
        }
        superblock.resize(sector_size.into(), 0);
        partition.read_at(0, &mut superblock)?;
        Self::parse(&superblock, partition.size())
    }

    fn parse(superblock: &[u8], partition_size: u64) -> Result<Self, FileSystemError> {
        let short = |offset| be16(superblock, offset).unwrap_or_default();
        let word = |offset| be32(superblock, offset).unwrap_or_default();
        let long = |offset| be64(superblock, offset).unwrap_or_default();
        let byte = |offset: usize| superblock.get(offset).copied().unwrap_or_default();

        let v5 = short(100) & VERSION == 5;
        let unknown = word(220) & !KNOWN_LOG_FEATURES;
        if v5 && unknown != 0 {
            return Err(damaged(format!(
                "its log uses unknown features, {unknown:#x}"
            )));
        }

        let block_size = word(4);
        if !BLOCK_SIZES.contains(&block_size) || !block_size.is_power_of_two() {
            return Err(damaged(format!("blocks of {block_size} bytes")));
        }
        let size = long(8).saturating_mul(block_size.into());
        if size > partition_size {
            return Err(damaged(format!(
                "it is {size} bytes long, but its partition ends after {partition_size}"
            )));
        }

        let (group_blocks, group_bits) = (word(84), byte(124));
        let log_block = long(48);
        if log_block == 0 {
            return Err(damaged("its log is on another device".into()));
        }
        let group = log_block.checked_shr(group_bits.into()).unwrap_or(0);
        let within = log_block - group.checked_shl(group_bits.into()).unwrap_or(0);
        let log_start = (group.saturating_mul(group_blocks.into()))
            .saturating_add(within)
            .saturating_mul(block_size.into());
        let log_size = u64::from(word(96)) * u64::from(block_size);
        if log_size == 0 || log_start.saturating_add(log_size) > size {
            return Err(damaged(format!(
                "its log of {log_size} bytes at {log_start} is not within its {size} bytes"
            )));
        }

        let uuid = array(superblock, 32).unwrap_or_default();
        Ok(Self {
            v5,
            size,
            sector_size: superblock.len(),
            block_size,
            group_blocks,
            inode_size: short(104).into(),
            uuid,
            structure_uuid: if v5 && word(216) & META_UUID != 0 {
                array(superblock, 248).unwrap_or_default()
            } else {
                uuid
            },
            log_start,
            log_size,
        })
    }
}
