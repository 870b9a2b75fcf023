//! A file of any size, read through a cache of a fixed one.

use super::RpmError;
use crate::filesystem::OpenFile;

/// Bytes read at once. Databases are mostly written in order: a block serves several of their pages.
const BLOCK: usize = 16 * 1024;
/// Blocks kept, 1 MiB in all.
const SLOTS: usize = 64;

/// A file and its blocks read last.
pub(super) struct CachedFile<'a> {
    file: Box<dyn OpenFile + 'a>,
    size: u64,
    slots: Vec<CachedBlock>,
}

#[derive(Clone, Default)]
struct CachedBlock {
    /// Number of the block in the file; `None` in an empty slot.
    number: Option<u64>,
    bytes: Vec<u8>,
}

impl<'a> CachedFile<'a> {
    /// Wraps a file; refuses one of more than `limit` bytes.
    pub(super) fn new(file: Box<dyn OpenFile + 'a>, limit: u64) -> Result<Self, RpmError> {
        let size = file.size();
        if size > limit {
            return Err(RpmError::Limit {
                limit,
                of: "bytes in a file",
            });
        }
        Ok(Self {
            file,
            size,
            slots: vec![CachedBlock::default(); SLOTS],
        })
    }

    /// Returns the size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Fills all of `buffer` from `offset` on.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), RpmError> {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let within = (at % BLOCK as u64) as usize;
            let block = self.block(at / BLOCK as u64)?;
            let bytes = block.get(within..).unwrap_or_default();
            if bytes.is_empty() {
                return Err(RpmError::damaged(format!(
                    "something is said to be at byte {at}, where the file ends before"
                )));
            }
            let length = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(&bytes[..length]);
            at = at.saturating_add(length as u64);
            rest = later;
        }
        Ok(())
    }

    /// Returns the bytes at `offset`.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], RpmError> {
        let mut bytes = [0; N];
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn block(&mut self, number: u64) -> Result<&[u8], RpmError> {
        let slot = &mut self.slots[(number % SLOTS as u64) as usize];
        if slot.number != Some(number) {
            slot.number = None;
            slot.bytes.resize(BLOCK, 0);
            let offset = number.saturating_mul(BLOCK as u64);
            let length = if offset < self.size {
                self.file.read_at(offset, &mut slot.bytes)?
            } else {
                0
            };
            slot.bytes.truncate(length);
            slot.number = Some(number);
        }
        Ok(&slot.bytes)
    }
}
