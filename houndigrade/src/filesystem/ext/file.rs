//! Contents of files: also those of symlinks and directories.

use super::inode::ExtInode;
use super::map::BlockMap;
use super::volume::ExtVolume;
use super::{FileSystemError, FileType, OpenFile};

/// Contents of a file.
pub(super) struct ExtFile<'a> {
    volume: ExtVolume<'a>,
    size: u64,
    place: Storage<'a>,
}

enum Storage<'a> {
    /// These bytes, and zeros behind them.
    Inode(Vec<u8>),
    Blocks(BlockMap<'a>),
}

impl<'a> ExtFile<'a> {
    /// Opens the contents of `inode`.
    ///
    /// # Errors
    /// If they are encrypted, or seen to be damaged at once.
    pub(super) fn open(volume: ExtVolume<'a>, inode: &ExtInode) -> Result<Self, FileSystemError> {
        let damaged = |what| volume.damaged(format!("inode {} {what}", inode.number));
        if inode.is_encrypted() {
            return Err(damaged("is encrypted"));
        }
        let is_short_link =
            inode.kind == FileType::Symlink && inode.size < inode.map().len() as u64;
        let place = if inode.is_inline() {
            let rest = inode.inline_rest();
            let rest = rest.ok_or_else(|| damaged("lacks a part of its contents"))?;
            Storage::Inode([inode.map(), rest].concat())
        } else if is_short_link {
            Storage::Inode(inode.map().into())
        } else {
            Storage::Blocks(BlockMap::open(volume, inode)?)
        };
        Ok(Self {
            volume,
            size: inode.size,
            place,
        })
    }
}

impl OpenFile for ExtFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let buffer = &mut buffer[..length];
        match &mut self.place {
            Storage::Inode(bytes) => copy(bytes, offset, buffer),
            Storage::Blocks(map) => read(self.volume, map, offset, buffer)?,
        }
        Ok(length)
    }
}

/// Copies the bytes from `offset` on, and zeros behind their end.
fn copy(bytes: &[u8], offset: u64, buffer: &mut [u8]) {
    let from = usize::try_from(offset).ok();
    let from = from
        .and_then(|offset| bytes.get(offset..))
        .unwrap_or_default();
    let length = from.len().min(buffer.len());
    let (here, behind) = buffer.split_at_mut(length);
    here.copy_from_slice(&from[..length]);
    behind.fill(0);
}

fn read(
    volume: ExtVolume,
    map: &mut BlockMap,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), FileSystemError> {
    let block_size = volume.block_size();
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + done as u64;
        let within = at % block_size;
        let run = map.run(at / block_size)?;
        let length = run.length.saturating_mul(block_size) - within;
        let rest = &mut buffer[done..];
        let length = rest
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        match run.at {
            Some(block) => {
                let at = block * block_size + within;
                volume.disk.read_at(at, &mut rest[..length])?;
            }
            None => rest[..length].fill(0),
        }
        done += length;
    }
    Ok(())
}
