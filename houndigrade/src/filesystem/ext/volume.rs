//! A file system as a sequence of blocks.

use super::FileSystemError;
use super::superblock::ExtSuperblock;
use crate::source::BlockSource;

/// The blocks of a file system.
#[derive(Clone, Copy)]
pub(super) struct ExtVolume<'a> {
    pub(super) superblock: &'a ExtSuperblock,
    pub(super) disk: &'a dyn BlockSource,
}

impl ExtVolume<'_> {
    /// Returns the size of a block in bytes.
    pub(super) fn block_size(self) -> u64 {
        self.superblock.block_size()
    }

    /// Returns whether `length` blocks from `number` on lie in this file system. Zero stands for none: no file has the first block.
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
