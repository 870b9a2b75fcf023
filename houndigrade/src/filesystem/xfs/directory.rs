//! Directories. The index of large ones, behind their entries, is not needed to read them all.

use std::ops::ControlFlow;

use super::extents;
use super::inode::{DataFork, XfsInode};
use super::volume::{BlockHeader, XfsVolume};
use super::{FileSystemError, damaged};
use crate::bytes::{array, be16, be32, be64};

/// Most bytes read of a directory: a million entries.
const MAX_SIZE: u64 = 64 << 20;
/// First words of a directory's only block, which ends with its index, and of one of several: version 4 and 5.
const ONLY: [&[u8]; 2] = [b"XD2B", b"XDB3"];
const ONE_OF_MANY: [&[u8]; 2] = [b"XD2D", b"XDD3"];
const HEADER_SIZES: [usize; 2] = [16, 64];
const HEADER: BlockHeader = BlockHeader {
    checksum: 4,
    place: 8,
    uuid: 24,
    owner: 40,
};
/// The end of an only block, and an entry of its index.
const TAIL: usize = 8;
const INDEX_ENTRY: usize = 8;
/// The first word of free room.
const FREE: u16 = 0xffff;

/// Calls `visit` with the name and the inode of each entry, without `.` and `..`, until it breaks off.
///
/// # Errors
/// If the directory is damaged or too long.
pub(super) fn scan(
    volume: &XfsVolume,
    directory: &XfsInode,
    mut visit: impl FnMut(&[u8], u64) -> Result<ControlFlow<()>, FileSystemError>,
) -> Result<(), FileSystemError> {
    let number = directory.number;
    let fail = |what: &str| damaged(format!("directory {number} {what}"));
    let mut visit = |(name, inode): (&[u8], u64)| match name {
        b"." | b".." => Ok(ControlFlow::Continue(())),
        name if name.is_empty() || name.contains(&b'/') || name.contains(&0) => {
            Err(fail("has a name that is none"))
        }
        name => visit(name, inode),
    };
    let contradicts = || fail("has an entry that contradicts itself");
    let has_types = volume.superblock.has_file_types;
    if let DataFork::Local(fork) = &directory.data {
        for entry in short_entries(fork, has_types).ok_or_else(contradicts)? {
            if visit(entry)?.is_break() {
                break;
            }
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
    let mut blocks = DirectoryBlocks::open(volume, directory)?;
    for index in 0..directory.size.div_ceil(blocks.size()) {
        let Some(block) = blocks.read(index)? else {
            continue;
        };
        let entries = blocks.entries(&block).ok_or_else(contradicts)?;
        let mut at = HEADER_SIZES[usize::from(volume.superblock.v5)];
        while at < entries.len() {
            let (entry, length) = entry(entries, at, has_types).ok_or_else(contradicts)?;
            if let Some(entry) = entry
                && visit(entry)?.is_break()
            {
                return Ok(());
            }
            at += length;
        }
    }
    Ok(())
}

/// The blocks of a directory, each of which may lie in pieces.
struct DirectoryBlocks<'a> {
    volume: &'a XfsVolume,
    directory: &'a XfsInode,
    extents: extents::XfsExtents<'a>,
}

impl<'a> DirectoryBlocks<'a> {
    fn open(volume: &'a XfsVolume, directory: &'a XfsInode) -> Result<Self, FileSystemError> {
        Ok(Self {
            volume,
            directory,
            extents: extents::open(volume, directory)?,
        })
    }

    /// Returns the bytes in a block.
    fn size(&self) -> u64 {
        self.volume.superblock.directory_blocks * self.volume.superblock.block_size
    }

    /// Reads and checks a block; `None` if all its entries were deleted.
    fn read(&mut self, index: u64) -> Result<Option<Vec<u8>>, FileSystemError> {
        let superblock = &self.volume.superblock;
        let each = superblock.directory_blocks;
        let mut bytes = Vec::with_capacity(self.size() as usize);
        let (mut first, mut is_replayed) = (None, false);
        for block in index * each..(index + 1) * each {
            let run = self.extents.run(block)?;
            let Some(at) = run.at else {
                break;
            };
            first.get_or_insert(at);
            is_replayed |= self.volume.is_replayed(at, 1);
            let start = bytes.len();
            bytes.resize(start + superblock.block_size as usize, 0);
            self.volume.block(at, &mut bytes[start..])?;
        }
        let Some(first) = first else {
            return Ok(None);
        };
        let number = self.directory.number;
        if bytes.len() as u64 != self.size() {
            return Err(damaged(format!("directory {number} lacks a block")));
        }
        self.volume
            .check(&HEADER, &bytes, first, number, is_replayed)?;
        Ok(Some(bytes))
    }

    /// Returns the part of a block with its header and entries; `None` if it is no block of a directory.
    fn entries<'b>(&self, block: &'b [u8]) -> Option<&'b [u8]> {
        let version = usize::from(self.volume.superblock.v5);
        if block.starts_with(ONE_OF_MANY[version]) {
            return Some(block);
        }
        let is_only = block.starts_with(ONLY[version]) && self.directory.size == self.size();
        let tail = block.len().checked_sub(TAIL).filter(|_| is_only)?;
        let index = (be32(block, tail)? as usize).checked_mul(INDEX_ENTRY)?;
        block.get(..tail.checked_sub(index)?)
    }
}

/// The parts of an entry: its name and inode, `None` for free room; and its length.
type Entry<'a> = (Option<(&'a [u8], u64)>, usize);

/// Parses the entry at `at`. Its last two bytes say where it begins.
fn entry(block: &[u8], at: usize, has_types: bool) -> Option<Entry<'_>> {
    let is_free = be16(block, at)? == FREE;
    let (used, length) = if is_free {
        (None, usize::from(be16(block, at + 2)?))
    } else {
        let size = usize::from(*block.get(at + 8)?);
        let name = block.get(at + 9..at + 9 + size)?;
        let length = (11 + size + usize::from(has_types)).next_multiple_of(8);
        (Some((name, be64(block, at)?)), length)
    };
    let is_sound = length >= 8 && length.is_multiple_of(8);
    let tag = be16(block, (at + length).checked_sub(2)?)?;
    (is_sound && usize::from(tag) == at).then_some((used, length))
}

/// Parses the entries of a directory in its inode, which end where it ends.
fn short_entries(fork: &[u8], has_types: bool) -> Option<Vec<(&[u8], u64)>> {
    let (count, wide) = (*fork.first()?, *fork.get(1)? > 0);
    let inode_size = if wide { 8 } else { 4 };
    let mut at = 2 + inode_size;
    let mut entries = Vec::with_capacity(count.into());
    for _ in 0..count {
        let size = usize::from(*fork.get(at)?);
        let name = fork.get(at + 3..at + 3 + size)?;
        at += 3 + size + usize::from(has_types);
        let inode = if wide {
            be64(fork, at)?
        } else {
            array(fork, at).map(u32::from_be_bytes)?.into()
        };
        at += inode_size;
        entries.push((name, inode));
    }
    (at == fork.len()).then_some(entries)
}
