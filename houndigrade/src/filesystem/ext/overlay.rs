//! A file system as after recovery: the blocks in its journal replace those on the disk.

use std::io;
use std::sync::Arc;

use super::FileSystemError;
use super::journal::{self, JournalReplay};
use super::superblock::ExtSuperblock;
use crate::filesystem::budget::{MemoryBudget, Reservation};
use crate::source::BlockSource;
use houndigrade_report::Stats;

/// A partition with the journal's blocks in place. Nothing is written.
pub(super) struct JournalOverlay {
    partition: Arc<dyn BlockSource>,
    replay: JournalReplay,
    /// Memory of the replay.
    _memory: Reservation,
}

impl JournalOverlay {
    /// Replays the journal, if need be. Returns the superblock after that, too.
    ///
    /// # Errors
    /// If the file system or its journal is damaged, or has features that can't be read.
    pub(super) fn recover(
        kind: &'static str,
        partition: Arc<dyn BlockSource>,
        memory: &MemoryBudget,
    ) -> Result<(Self, ExtSuperblock), FileSystemError> {
        let superblock = ExtSuperblock::read(kind, &*partition)?;
        let replay = if superblock.needs_recovery() {
            journal::replay(&superblock, &*partition)?
        } else {
            JournalReplay::nothing(superblock.block_size())
        };
        let mut reservation = memory.reservation();
        reservation.try_grow(replay.memory())?;
        let overlay = Self {
            partition,
            replay,
            _memory: reservation,
        };
        // The journal may hold another superblock, which deserves no more trust than the first.
        let after = ExtSuperblock::read(kind, &overlay)?;
        if after.block_size() != superblock.block_size() {
            return Err(superblock.damaged("its journal changes the size of blocks".into()));
        }
        Ok((overlay, after))
    }
}

impl BlockSource for JournalOverlay {
    fn size(&self) -> u64 {
        self.partition.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return self.partition.read_at(offset, buffer);
        }
        let block_size = self.replay.block_size;
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let rest = &mut buffer[done..];
            let block = at / block_size;
            let until = match self.replay.first_from(block) {
                Some(next) if next == block => block.saturating_add(1).saturating_mul(block_size),
                Some(next) => next.saturating_mul(block_size),
                None => u64::MAX,
            };
            let length = rest
                .len()
                .min(usize::try_from(until - at).unwrap_or(usize::MAX));
            match self.replay.read(block, &*self.partition)? {
                Some(logged) => {
                    let start = (at % block_size) as usize;
                    rest[..length].copy_from_slice(&logged[start..start + length]);
                }
                None => self.partition.read_at(at, &mut rest[..length])?,
            }
            done += length;
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        self.partition.stats()
    }
}
