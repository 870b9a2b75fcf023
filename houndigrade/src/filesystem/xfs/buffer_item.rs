//! Log items that change parts of a block: chunks of 128 bytes, marked in a bit map.

use super::geometry;
use super::overlay::SECTOR;
use super::replayed::ReplayedVolume;
use super::transaction::LogItem;
use super::{FileSystemError, checksum, damaged};
use crate::bytes::{array, be32, be64, le16, le32, le64};

const CHUNK: usize = 128;

/// The block was given up.
const CANCEL: u16 = 0x2;
/// Changes to inodes in the list of deleted ones; all other changes to inodes are logged by inode items.
const UNLINKED_INODES: u16 = 0x1;
const QUOTA: u16 = 0x4 | 0x8 | 0x10;
/// The kind of a block is in the upper five bits. Linux before 3.10 left them zero.
const KIND: u32 = 11;
/// Headers of groups; indexes of directories; extended attributes; quotas; metadata of realtime devices.
const KINDS_NOT_READ: [u16; 14] = [1, 2, 3, 5, 6, 7, 12, 13, 14, 15, 16, 17, 19, 20];
const BTREE: u16 = 4;
/// Trees of the extents of files, of version 4 and 5. All other trees are about space and inodes.
const EXTENT_TREES: [&[u8]; 2] = [b"BMAP", b"BMA3"];

const SUPERBLOCK: u32 = 0x5846_5342;

/// Returns first sector and number of sectors of a buffer item.
fn place(item: &LogItem<'_>) -> Option<(u64, u32)> {
    Some((le64(item.format, 8)?, le16(item.format, 6)?.into()))
}

fn flags(format: &[u8]) -> u16 {
    le16(format, 4).unwrap_or_default()
}

/// Returns the place of the buffer that this item gives up.
pub(super) fn cancelled(item: &LogItem<'_>) -> Option<(u64, u32)> {
    place(item).filter(|_| flags(item.format) & CANCEL != 0)
}

pub(super) fn replay(
    volume: &mut ReplayedVolume<'_>,
    item: &LogItem<'_>,
    lsn: u64,
) -> Result<(), FileSystemError> {
    let place = place(item).ok_or_else(|| damaged("a block in its log has no place".into()))?;
    if volume.is_cancelled(place) || !is_read(item) {
        return Ok(());
    }
    let start = place.0.saturating_mul(SECTOR as u64);
    let (mut block, on_disk) = volume.read(start, place.1 as usize * SECTOR)?;
    let geometry = volume.geometry;
    if geometry.v5 && on_disk && last_change(&block, &geometry.structure_uuid) >= Some(lsn) {
        return Ok(());
    }
    for (at, region) in chunks(item)? {
        // The rest of a region in its last chunk is not part of the map.
        block
            .get_mut(at..at + region.len())
            .ok_or_else(|| damaged("a block in its log is larger than on the disk".into()))?
            .copy_from_slice(region);
    }
    // Of all other blocks, those that the log changes need none.
    if geometry.v5 && be32(&block, 0) == Some(SUPERBLOCK) {
        checksum::store(&mut block, geometry::CRC);
    }
    volume.write(start, &block)
}

/// Returns whether the reader may read the block that an item with this format changes, as far as that can be told by it.
pub(super) fn is_of_interest(format: &[u8]) -> bool {
    let (flags, kind) = (flags(format), flags(format) >> KIND);
    flags & (CANCEL | UNLINKED_INODES | QUOTA) == 0 && !KINDS_NOT_READ.contains(&kind)
}

/// Returns whether the reader may read the block that this item changes.
fn is_read(item: &LogItem<'_>) -> bool {
    if !is_of_interest(item.format) {
        return false;
    }
    let kind = flags(item.format) >> KIND;
    // Bit 0 of the map: the first region holds the beginning of the block.
    let begins = le32(item.format, 20).is_some_and(|map| map & 1 == 1);
    match item.regions.first() {
        Some(first) if kind == BTREE && begins => {
            EXTENT_TREES.iter().any(|magic| first.starts_with(magic))
        }
        _ => true,
    }
}

/// Returns the regions with their places in the block. A run of chunks may be logged as several regions.
fn chunks<'a>(item: &LogItem<'a>) -> Result<Vec<(usize, &'a [u8])>, FileSystemError> {
    let words = le32(item.format, 16).unwrap_or_default() as usize;
    let map = item.format.get(20..).unwrap_or_default();
    let map = &map[..map.len().min(words.saturating_mul(4))];
    let is_set = |bit: usize| map[bit / 8] >> (bit % 8) & 1 == 1;
    let bits = map.len() * 8;
    let mut placed = Vec::with_capacity(item.regions.len());
    let mut bit = 0;
    for region in item.regions {
        while bit < bits && !is_set(bit) {
            bit += 1;
        }
        if bit >= bits || region.len() < CHUNK {
            return Err(damaged("the map of a block in its log does not fit".into()));
        }
        let run = (bit..bits).take_while(|&bit| is_set(bit)).count();
        let run = run.min(region.len() / CHUNK);
        placed.push((bit * CHUNK, &region[..run * CHUNK]));
        bit += run;
    }
    Ok(placed)
}

/// Returns the place in the log of the last change of a block of version 5, as the block has it. `None`, for older than the log,
/// if the block is of another kind or another file system, or was never changed.
fn last_change(block: &[u8], uuid: &[u8; 16]) -> Option<u64> {
    let (lsn_at, uuid_at) = match be32(block, 0)? {
        SUPERBLOCK => {
            let lsn = be64(block, 240)?;
            return Some(lsn).filter(|&lsn| lsn != u64::MAX);
        }
        // BMA3: a tree of extents
        0x424d_4133 => (32, 40),
        // XDB3, XDD3: directories
        0x5844_4233 | 0x5844_4433 => (16, 24),
        // XSLM: a symlink
        0x5853_4c4d => (48, 16),
        _ => return None,
    };
    let lsn = be64(block, lsn_at)?;
    (array(block, uuid_at) == Some(*uuid) && !matches!(lsn, 0 | u64::MAX)).then_some(lsn)
}
