//! The superblock: sizes, features, and roots of trees.

use super::checksum;
use super::tree::Pointer;
use super::{damaged, unsupported};
use crate::bytes::{le16, le32, le64};
use crate::filesystem::FileSystemError;
use crate::source::BlockSource;

/// Linux mounts by this copy alone; the others are for repair tools.
pub(super) const OFFSET: u64 = 64 * 1024;
pub(super) const SIZE: usize = 4096;

/// Room for the chunks with the chunk tree.
const SYSTEM_CHUNKS: usize = 0x32b;
const MAX_SYSTEM_CHUNKS: usize = 2048;

/// Smallest and largest sectors and nodes that Linux has.
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 4096..=65536;

/// Features that change the disk format and don't hinder reading files.
const READABLE: u64 = 0x1_0fff;

/// Of [`READABLE`] and others, by bit.
const FEATURES: [(u64, &str); 4] = [
    (1 << 12, "btrfs on a zoned device"),
    (1 << 13, "btrfs with extent tree v2"),
    (1 << 14, "btrfs with a RAID stripe tree"),
    (1 << 17, "btrfs with a remap tree"),
];

pub(super) struct BtrfsSuperblock {
    /// Number of this device among those of the file system.
    pub(super) device: u64,
    /// Bytes in a tree block.
    pub(super) node_size: usize,
    /// Bytes in a block of data.
    pub(super) sector_size: usize,
    pub(super) root: Pointer,
    pub(super) chunk_root: Pointer,
    /// Root of the log of changes since the last commit.
    pub(super) log_root: Option<Pointer>,
    /// Keys and items of the chunks with the chunk tree.
    pub(super) system_chunks: Vec<u8>,
}

impl BtrfsSuperblock {
    /// Reads and checks the superblock of `partition`.
    ///
    /// # Errors
    /// If it is damaged, claims more than the partition has, or uses an unknown feature.
    pub(super) fn read(partition: &dyn BlockSource) -> Result<Self, FileSystemError> {
        let mut bytes = vec![0; SIZE];
        partition.read_at(OFFSET, &mut bytes)?;
        let field = |offset| le64(&bytes, offset).unwrap_or_default();
        let level = |offset: usize| bytes.get(offset).copied().unwrap_or(u8::MAX);

        check_checksum(&bytes)?;
        check_features(field(0xbc))?;
        let sector_size = block_size(&bytes, 0x90, "sectors")?;
        let node_size = block_size(&bytes, 0x94, "nodes")?;
        let size = field(0xd1);
        if size > partition.size() {
            return damaged(format!(
                "it is {size} bytes long, but its partition ends after {}",
                partition.size()
            ));
        }
        let system_chunks = le32(&bytes, 0xa0)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|&length| length <= MAX_SYSTEM_CHUNKS)
            .and_then(|length| bytes.get(SYSTEM_CHUNKS..SYSTEM_CHUNKS + length));
        let Some(system_chunks) = system_chunks else {
            return damaged("the superblock has more chunks than it has room for");
        };

        let generation = field(0x48);
        let log_root = Some(field(0x60)).filter(|&logical| logical != 0);
        Ok(Self {
            device: field(0xc9),
            node_size,
            sector_size,
            root: Pointer::root(field(0x50), generation, level(0xc6)),
            chunk_root: Pointer::root(field(0x58), field(0xa4), level(0xc7)),
            // The log belongs to the next commit.
            log_root: log_root
                .map(|logical| Pointer::root(logical, generation.wrapping_add(1), level(0xc8))),
            system_chunks: system_chunks.to_vec(),
        })
    }
}

fn check_checksum(bytes: &[u8]) -> Result<(), FileSystemError> {
    match le16(bytes, 0xc4) {
        Some(0) => {}
        Some(1) => return unsupported("btrfs with xxhash checksums"),
        Some(2) => return unsupported("btrfs with SHA-256 checksums"),
        Some(3) => return unsupported("btrfs with BLAKE2 checksums"),
        _ => return unsupported("btrfs with checksums of an unknown kind"),
    }
    if !checksum::is_right(bytes) {
        return damaged("the superblock's checksum is wrong");
    }
    Ok(())
}

fn check_features(features: u64) -> Result<(), FileSystemError> {
    let unknown = features & !READABLE;
    match FEATURES.iter().find(|(bit, _)| unknown & bit != 0) {
        Some((_, name)) => unsupported(name),
        None if unknown != 0 => unsupported("btrfs with features newer than this program"),
        None => Ok(()),
    }
}

fn block_size(bytes: &[u8], offset: usize, of: &str) -> Result<usize, FileSystemError> {
    match le32(bytes, offset) {
        Some(size) if size.is_power_of_two() && BLOCK_SIZES.contains(&size) => Ok(size as usize),
        size => damaged(format!(
            "{of} of {} bytes; they have 4 to 64 KiB",
            size.unwrap_or_default()
        )),
    }
}
