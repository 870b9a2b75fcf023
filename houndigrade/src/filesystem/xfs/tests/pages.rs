//! A small disk with a dirty log of version 4, which today's `mkfs.xfs` does not make.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use houndigrade_report::Stats;

use super::*;

/// A disk of which only some pages are not zero.
#[derive(Clone)]
pub(super) struct SparseDisk(pub(super) BTreeMap<u64, Vec<u8>>);

impl SparseDisk {
    const SIZE: usize = 4096;

    /// Returns the file system of version 4 with a dirty log.
    pub(super) fn v4() -> Self {
        let packed = unpack(include_bytes!("../testdata/v4-dirty.pages.gz"));
        let pages = packed.chunks_exact(8 + Self::SIZE).map(|page| {
            let (offset, bytes) = page.split_first_chunk().unwrap();
            (u64::from_le_bytes(*offset), bytes.to_vec())
        });
        Self(pages.collect())
    }

    pub(super) fn patch(mut self, offset: u64, bytes: &[u8]) -> Self {
        let size = Self::SIZE as u64;
        let page = self.0.get_mut(&(offset / size * size)).unwrap();
        page[(offset % size) as usize..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(super) fn open(self) -> Result<Xfs, FileSystemError> {
        Xfs::open(Arc::new(self), &MemoryBudget::default())
    }
}

impl BlockSource for SparseDisk {
    fn size(&self) -> u64 {
        320 * 1024 * 1024
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let (page, from) = (at / Self::SIZE as u64, (at % Self::SIZE as u64) as usize);
            let length = (Self::SIZE - from).min(buffer.len() - filled);
            let piece = &mut buffer[filled..filled + length];
            match self.0.get(&(page * Self::SIZE as u64)) {
                Some(bytes) => piece.copy_from_slice(&bytes[from..from + length]),
                None => piece.fill(0),
            }
            filled += length;
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

pub(super) fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}
