//! An open file.

use super::compression::decode;
use super::item::{Compressed, Extent};
use super::subvolume::{ExtentSlice, Subvolume};
use crate::filesystem::{FileSystemError, OpenFile};

pub(super) struct BtrfsFile<'a> {
    subvolume: Subvolume<'a>,
    inode: u64,
    size: u64,
    /// The piece read last.
    piece: Option<ExtentSlice>,
    /// Contents of the compressed extent decoded last: a file is read in parts much smaller than it.
    decoded: Option<(Compressed, Vec<u8>)>,
}

impl<'a> BtrfsFile<'a> {
    pub(super) fn new(subvolume: Subvolume<'a>, inode: u64, size: u64) -> Self {
        Self {
            subvolume,
            inode,
            size,
            piece: None,
            decoded: None,
        }
    }

    /// Fills the beginning of `buffer` from `offset` on. Returns how many bytes: at least one.
    fn read_piece(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let piece = match self.piece.take() {
            Some(piece) if (piece.start..piece.end).contains(&offset) => piece,
            _ => self.subvolume.piece(self.inode, offset)?,
        };
        let rest = usize::try_from(piece.end - offset).unwrap_or(usize::MAX);
        let length = rest.min(buffer.len());
        let buffer = &mut buffer[..length];
        let skip = offset - piece.start;
        match &piece.extent {
            Extent::Zeros => buffer.fill(0),
            Extent::Plain { logical } => {
                let chunks = &self.subvolume.trees.chunks;
                chunks.read(logical.saturating_add(skip), buffer)?;
            }
            Extent::Inline { item, algorithm } => {
                let stored = item.data().get(Extent::HEAD..).unwrap_or_default();
                if *algorithm == 0 {
                    copy(stored, skip, buffer);
                } else {
                    let sector_size = self.subvolume.sector_size;
                    copy(
                        &decode(*algorithm, stored, sector_size, sector_size)?,
                        skip,
                        buffer,
                    );
                }
            }
            Extent::Compressed(extent) => {
                let skip = skip.saturating_add(extent.skip);
                copy(self.decode(*extent)?, skip, buffer);
            }
        }
        self.piece = Some(piece);
        Ok(length)
    }

    fn decode(&mut self, extent: Compressed) -> Result<&[u8], FileSystemError> {
        let decoded = match self.decoded.take() {
            Some((of, decoded)) if of.logical == extent.logical && of.length == extent.length => {
                decoded
            }
            _ => {
                let mut stored = vec![0; extent.stored];
                self.subvolume
                    .trees
                    .chunks
                    .read(extent.logical, &mut stored)?;
                let sector_size = self.subvolume.sector_size;
                decode(extent.algorithm, &stored, extent.length, sector_size)?
            }
        };
        let (_, decoded) = self.decoded.insert((extent, decoded));
        Ok(decoded)
    }
}

impl OpenFile for BtrfsFile<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = self.size.saturating_sub(offset);
        let length = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let mut filled = 0;
        while filled < length {
            let at = offset + filled as u64;
            filled += self.read_piece(at, &mut buffer[filled..length])?;
        }
        Ok(filled)
    }
}

/// Fills `buffer` with `contents` behind its first `skip` bytes, and zeros behind its end.
fn copy(contents: &[u8], skip: u64, buffer: &mut [u8]) {
    let rest = usize::try_from(skip)
        .ok()
        .and_then(|skip| contents.get(skip..))
        .unwrap_or_default();
    let length = rest.len().min(buffer.len());
    buffer[..length].copy_from_slice(&rest[..length]);
    buffer[length..].fill(0);
}
