//! Contents of files and symlinks.

use super::extents::{self, XfsExtents};
use super::inode::{DataFork, XfsInode};
use super::volume::{BlockHeader, XfsVolume};
use super::{FileSystemError, damaged};
use crate::bytes::be32;
use crate::filesystem::OpenFile;

/// Size and fields of the header of a symlink's block.
const LINK_HEADER: usize = 56;
const LINK_MAGIC: &[u8] = b"XSLM";
const LINK: BlockHeader = BlockHeader {
    checksum: 12,
    place: 40,
    uuid: 16,
    owner: 32,
};
/// Longest symlink, as in Linux's XFS.
const MAX_LINK: u64 = 1024;

pub(super) struct XfsFile<'a> {
    volume: &'a XfsVolume,
    size: u64,
    extents: XfsExtents<'a>,
}

impl<'a> XfsFile<'a> {
    pub(super) fn open(volume: &'a XfsVolume, inode: &XfsInode) -> Result<Self, FileSystemError> {
        Ok(Self {
            volume,
            size: inode.size,
            extents: extents::open(volume, inode)?,
        })
    }
}

impl OpenFile for XfsFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(rest);
        let block_size = self.volume.superblock.block_size;
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let within = at % block_size;
            let run = self.extents.run(at / block_size)?;
            let piece = run.length.saturating_mul(block_size) - within;
            let piece = usize::try_from(piece).unwrap_or(usize::MAX);
            let piece = &mut buffer[done..length.min(done.saturating_add(piece))];
            match run.at {
                Some(block) => self.volume.read_at(block * block_size + within, piece)?,
                None => piece.fill(0),
            }
            done += piece.len();
        }
        Ok(length)
    }
}

/// Returns the target of a symlink.
pub(super) fn link_target(
    volume: &XfsVolume,
    inode: &XfsInode,
) -> Result<Vec<u8>, FileSystemError> {
    if !(1..=MAX_LINK).contains(&inode.size) {
        return Err(damaged(format!(
            "symlink {} is {} bytes long",
            inode.number, inode.size
        )));
    }
    if let DataFork::Local(target) = &inode.data {
        return Ok(target.clone());
    }
    let contradicts = || damaged(format!("symlink {} contradicts itself", inode.number));
    let size = inode.size as usize;
    let block_size = volume.superblock.block_size;
    let mut extents = extents::open(volume, inode)?;
    let mut target = Vec::new();
    let mut block = 0;
    while target.len() < size {
        let run = extents.run(block)?;
        let (Some(at), 1..=8) = (run.at, run.length) else {
            return Err(contradicts());
        };
        // Blocks in a row have one header.
        let mut bytes = vec![0; (run.length * block_size) as usize];
        volume.block(at, &mut bytes)?;
        let room = if volume.superblock.v5 {
            let is_replayed = volume.is_replayed(at, run.length);
            volume.check(&LINK, &bytes, at, inode.number, is_replayed)?;
            let (from, length) = (be32(&bytes, 4), be32(&bytes, 8));
            if !bytes.starts_with(LINK_MAGIC)
                || from.map(|from| from as usize) != Some(target.len())
            {
                return Err(contradicts());
            }
            let length = length.unwrap_or_default() as usize;
            bytes.get(LINK_HEADER..LINK_HEADER.saturating_add(length))
        } else {
            Some(&bytes[..])
        };
        let room = room
            .filter(|room| !room.is_empty())
            .ok_or_else(contradicts)?;
        target.extend_from_slice(&room[..room.len().min(size - target.len())]);
        block += run.length;
    }
    Ok(target)
}
