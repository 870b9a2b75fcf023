//! Log items that change an inode: its core in the byte order of the machine, and the map of its data or the data itself.
//! Extended attributes are passed over.

use super::overlay::SECTOR;
use super::replayed::ReplayedVolume;
use super::transaction::LogItem;
use super::{FileSystemError, checksum, damaged};
use crate::bytes::{array, be16, be64, le16, le32, le64};

const MAGIC: u16 = 0x494e;
/// Length of the core on the disk; in version 4 the log has it without its last field.
const CORE_V4: usize = 100;
const CORE_V5: usize = 176;
/// The next deleted inode: not in the log, and never read.
const NEXT_UNLINKED: usize = 96;
const FLUSHES: usize = 30;
const FORK_OFFSET: usize = 82;
const CRC: usize = 100;
const LSN: usize = 112;

/// Offsets and lengths of the numbers in a core of both versions, times apart, and of those that version 5 has beside them.
const NUMBERS: [(usize, usize); 17] = [
    (0, 2),
    (2, 2),
    (6, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 2),
    (22, 2),
    (56, 8),
    (64, 8),
    (72, 4),
    (76, 4),
    (80, 2),
    (84, 4),
    (88, 2),
    (90, 2),
    (92, 4),
];
const NUMBERS_V5: [(usize, usize); 5] = [(24, 8), (104, 8), (120, 8), (128, 4), (152, 8)];

/// Contents behind the core: data or a list of extents, as on the disk; the root of a tree of extents.
const DATA: u32 = 0x2 | 0x4;
const TREE: u32 = 0x8;
/// Headers of that root in the log, and on the disk.
const TREE_HEADER_V4: usize = 24;
const TREE_HEADER_V5: usize = 72;
const ROOT_HEADER: usize = 4;

pub(super) fn replay(
    volume: &mut ReplayedVolume<'_>,
    item: &LogItem<'_>,
    lsn: u64,
) -> Result<(), FileSystemError> {
    let impossible = || damaged("an inode in its log is impossible".into());
    let format = item.format;
    let fields = le32(format, 4).ok_or_else(impossible)?;
    // Machines of 32 bits aligned it differently.
    let at = if format.len() < 56 { 36 } else { 40 };
    let (Some(sector), Some(count), Some(offset)) = (
        le64(format, at),
        le32(format, at + 8),
        le32(format, at + 12),
    ) else {
        return Err(impossible());
    };
    if volume.is_cancelled((sector, count)) {
        return Ok(());
    }
    let start = sector
        .saturating_mul(SECTOR as u64)
        .saturating_add(offset.into());
    let v5 = volume.geometry.v5;
    let core_size = if v5 { CORE_V5 } else { CORE_V4 };
    let logged = item.regions.first().ok_or_else(impossible)?;

    let (mut inode, on_disk) = volume.read(start, volume.geometry.inode_size)?;
    let logged_size = if v5 { CORE_V5 } else { NEXT_UNLINKED };
    if inode.len() < core_size || logged.len() < logged_size {
        return Err(impossible());
    }
    let fresh = inode.iter().all(|&byte| byte == 0);
    if le16(logged, 0) != Some(MAGIC) || !(fresh || be16(&inode, 0) == Some(MAGIC)) {
        return Err(impossible());
    }
    let newer = if v5 {
        let last = be64(&inode, LSN).filter(|&lsn| on_disk && !matches!(lsn, 0 | u64::MAX));
        last > Some(lsn)
    } else {
        flushed_later(&inode, logged)
    };
    if newer {
        return Ok(());
    }

    let (core, fork) = inode.split_at_mut(core_size);
    put_core(core, logged, v5);
    let attributes = usize::from(core[FORK_OFFSET]) * 8;
    let length = if attributes == 0 {
        fork.len()
    } else {
        attributes
    };
    let fork = fork.get_mut(..length).ok_or_else(impossible)?;
    if fields & (DATA | TREE) != 0 {
        let logged = item.regions.get(1).ok_or_else(impossible)?;
        if fields & TREE != 0 {
            put_tree(fork, logged, v5).ok_or_else(impossible)?;
        } else {
            let length = logged.len().min(fork.len());
            fork[..length].copy_from_slice(&logged[..length]);
        }
    }
    if v5 {
        checksum::store(&mut inode, CRC);
    }
    volume.write(start, &inode)
}

/// Returns whether an inode of version 4 was written to its place after it was logged. Its counter wraps around.
fn flushed_later(inode: &[u8], logged: &[u8]) -> bool {
    let on_disk = be16(inode, FLUSHES).unwrap_or_default();
    let logged = le16(logged, FLUSHES).unwrap_or_default();
    logged < on_disk && !(on_disk == u16::MAX && logged < u16::MAX / 2)
}

/// Copies the core from the log to the disk's format, which is big-endian.
fn put_core(core: &mut [u8], logged: &[u8], v5: bool) {
    core[..NEXT_UNLINKED].copy_from_slice(&logged[..NEXT_UNLINKED]);
    if v5 {
        core[LSN..].copy_from_slice(&logged[LSN..CORE_V5]);
        core[CRC + 4..LSN].copy_from_slice(&logged[CRC + 4..LSN]);
    } else {
        // As Linux does after a recovery: later items in the log are newer.
        core[FLUSHES..FLUSHES + 2].fill(0);
    }
    let more: &[_] = if v5 { &NUMBERS_V5 } else { &[] };
    for &(at, length) in NUMBERS.iter().chain(more) {
        core[at..at + length].reverse();
    }
}

/// Copies the root of a tree of extents into the fork: a shorter header, and room for as many pointers as fit.
fn put_tree(fork: &mut [u8], logged: &[u8], v5: bool) -> Option<()> {
    let header = if v5 { TREE_HEADER_V5 } else { TREE_HEADER_V4 };
    let count = usize::from(be16(logged, 6)?);
    let logged_room = logged.len().checked_sub(header)? / 16;
    let room = fork.len().checked_sub(ROOT_HEADER)? / 16;
    if count > room.min(logged_room) {
        return None;
    }
    fork[..ROOT_HEADER].copy_from_slice(&array::<ROOT_HEADER>(logged, 4)?);
    let keys = logged.get(header..header + count * 8)?;
    fork[ROOT_HEADER..ROOT_HEADER + count * 8].copy_from_slice(keys);
    let pointers = header + logged_room * 8;
    let pointers = logged.get(pointers..pointers + count * 8)?;
    let at = ROOT_HEADER + room * 8;
    fork[at..at + count * 8].copy_from_slice(pointers);
    Some(())
}
