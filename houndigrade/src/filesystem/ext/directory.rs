//! Directories. Indexed ones are read as all others: the index lies in seemingly free space.

use std::ops::ControlFlow;

use super::file::ExtFile;
use super::inode::ExtInode;
use super::volume::ExtVolume;
use super::{FileSystemError, OpenFile};
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;

/// Most bytes read of a directory: a million entries.
const MAX_SIZE: u64 = 64 << 20;
/// Inode, length, length of the name, kind.
const HEADER: usize = 8;
/// The last entry of a block, which has no name, and a checksum behind the header.
const TAIL: [u8; HEADER] = [0, 0, 0, 0, 12, 0, 0, 0xde];
const TAIL_SIZE: usize = 12;

/// Calls `visit` with the name and the inode of each entry, in the order of the disk, until it breaks off.
///
/// # Errors
/// If the directory is damaged, encrypted, or too long.
pub(super) fn scan(
    volume: ExtVolume,
    directory: &ExtInode,
    mut visit: impl FnMut(&[u8], u32) -> Result<ControlFlow<()>, FileSystemError>,
) -> Result<(), FileSystemError> {
    let number = directory.number;
    let damaged = |what: &str| volume.damaged(format!("directory {number} {what}"));
    let mut visit_block = |block: &[u8]| {
        for entry in (Entries { rest: block }) {
            let (name, inode) =
                entry.ok_or_else(|| damaged("has an entry that contradicts itself"))?;
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return Err(damaged("has a name that is none"));
            }
            if visit(name, inode)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    };

    let mut contents = ExtFile::open(volume, directory)?;
    if directory.is_inline() {
        // The number of the directory it is in, then two blocks, and neither `.` nor `..`.
        let rest = directory.inline_rest().unwrap_or_default();
        if visit_block(&directory.map()[4..])?.is_continue() {
            let _ = visit_block(rest)?;
        }
        return Ok(());
    }
    if directory.size > MAX_SIZE {
        return Err(FileSystemError::Limit {
            path: format!("directory {number}"),
            limit: MAX_SIZE as usize,
            of: "bytes",
        });
    }
    let mut block = vec![0; volume.block_size() as usize];
    for offset in (0..directory.size).step_by(block.len()) {
        let length = contents.read_at(offset, &mut block)?;
        block.truncate(length);
        let has_checksums = volume.superblock.has_checksums();
        if has_checksums && !fits_its_checksum(&block, directory.checksum_seed) {
            return Err(damaged("does not fit its checksum"));
        }
        if visit_block(&block)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The used entries in a block. `None` is damage, and the last.
struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Option<(&'a [u8], u32)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            let Some((inode, name, behind)) = split_entry(rest) else {
                return Some(None);
            };
            self.rest = behind;
            if inode != 0 {
                return Some(Some((name, inode)));
            }
        }
        None
    }
}

/// Returns inode and name of the first entry, and the bytes behind it.
fn split_entry(block: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (entry, behind) = block.split_at_checked(length_of_entry(block)?)?;
    let name_length = usize::from(*entry.get(6)?);
    let name = entry.get(HEADER..HEADER + name_length)?;
    Some((le32(entry, 0)?, name, behind))
}

/// Returns the length of the first entry, never zero.
fn length_of_entry(entry: &[u8]) -> Option<usize> {
    let length = array(entry, 4).map(u16::from_le_bytes)?;
    // A length of 64 KiB does not fit into the field: it is stored as 0 or 65535.
    match usize::from(length) {
        0 | 0xffff if entry.len() == 0x1_0000 => Some(0x1_0000),
        length => Some(length).filter(|&length| length >= HEADER),
    }
}

fn fits_its_checksum(block: &[u8], seed: u32) -> bool {
    // First, because a block that became an index keeps its old tail.
    if let Some(places) = places_of_index(block) {
        return index_fits_its_checksum(block, places, seed).unwrap_or(false);
    }
    let tail = block.split_last_chunk::<TAIL_SIZE>();
    tail.is_some_and(|(entries, tail)| {
        tail.starts_with(&TAIL) && le32(tail, HEADER) == Some(crc32c(seed, entries))
    })
}

/// Returns the offset of the places in a block of an index, inside the room of the entry that covers the rest of the block: the
/// first entry, or in the root the second, behind eight more bytes.
fn places_of_index(block: &[u8]) -> Option<usize> {
    let first = length_of_entry(block)?;
    if first == block.len() {
        return Some(HEADER);
    }
    let covered = first + length_of_entry(block.get(first..)?)?;
    (first == 12 && covered == block.len()).then_some(first + 12 + 8)
}

/// Checks the checksum of an index. Limit and count of the places lie in the room of the first; behind the last are four unused
/// bytes and the checksum.
fn index_fits_its_checksum(block: &[u8], places: usize, seed: u32) -> Option<bool> {
    let half = |offset| array(block, offset).map(|half| usize::from(u16::from_le_bytes(half)));
    let (room, taken) = (half(places)?, half(places + 2)?);
    let tail = places + 8 * room;
    let checksum = crc32c(seed, block.get(..places + 8 * taken)?);
    let checksum = crc32c(checksum, block.get(tail..tail + 4)?);
    Some(le32(block, tail + 4)? == crc32c(checksum, &[0; 4]))
}
