//! A file system as a row of blocks.

use super::FileSystemError;
use super::superblock::ExtSuperblock;
use crate::source::BlockSource;

/// What everything else is read from.
#[derive(Clone, Copy)]
pub(super) struct ExtVolume<'a> {
    pub(super) superblock: &'a ExtSuperblock,
    pub(super) disk: &'a dyn BlockSource,
}

impl ExtVolume<'_> {
    /// Size of a block in bytes.
    pub(super) fn block_size(self) -> u64 {
        self.superblock.block_size()
    }

    /// Whether `length` blocks from `number` on are blocks of this file system. No file has the first, and zero stands for none.
    pub(super) fn has(self, number: u64, length: u64) -> bool {
        let end = number.checked_add(length);
        number != 0 && end.is_some_and(|end| end <= self.superblock.blocks())
    }

    /// Reads block `number`.
    pub(super) fn block(self, number: u64) -> Result<Vec<u8>, FileSystemError> {
        if !self.has(number, 1) {
            return Err(self.damaged(format!("block {number} is beyond its end")));
        }
        let mut block = vec![0; self.block_size() as usize];
        self.disk.read_at(number * self.block_size(), &mut block)?;
        Ok(block)
    }

    pub(super) fn damaged(self, what: String) -> FileSystemError {
        self.superblock.damaged(what)
    }
}
