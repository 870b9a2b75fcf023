//! The volume as far as its log has been replayed.

use std::collections::BTreeMap;

use super::geometry::Geometry;
use super::overlay::{LogOverlay, SECTOR};
use super::{FileSystemError, damaged};
use crate::filesystem::budget::Reservation;
use crate::source::BlockSource;

/// Most entries of each table below.
const MAX_ENTRIES: usize = 256 * 1024;
/// Longest range that an item may name, in sectors: 64 inodes of 2 KiB are the longest there is.
const MAX_SECTORS: u64 = 2048;

/// First sector and number of sectors of a buffer.
pub(super) type BufferPlace = (u64, u32);

/// The partition with the changes replayed so far.
pub(super) struct ReplayedVolume<'a> {
    pub(super) partition: &'a dyn BlockSource,
    pub(super) geometry: &'a Geometry,
    /// Buffers that were given up, and how often: later contents of the place are not the buffer's.
    cancelled: BTreeMap<BufferPlace, u32>,
    /// Places of new inodes, first byte to end. The disk's contents there are older.
    created: BTreeMap<u64, u64>,
    pub(super) overlay: LogOverlay,
    memory: &'a mut Reservation,
}

impl<'a> ReplayedVolume<'a> {
    /// Returns the volume with nothing replayed yet.
    pub(super) fn new(
        partition: &'a dyn BlockSource,
        geometry: &'a Geometry,
        cancelled: BTreeMap<BufferPlace, u32>,
        memory: &'a mut Reservation,
    ) -> Self {
        Self {
            partition,
            geometry,
            cancelled,
            created: BTreeMap::new(),
            overlay: LogOverlay::default(),
            memory,
        }
    }

    /// Makes `start..start + length` new inodes: all zeros, until they are changed.
    pub(super) fn create_inodes(&mut self, start: u64, length: u64) -> Result<(), FileSystemError> {
        let end = self.checked_end(start, length)?;
        let (first, last) = (start / SECTOR as u64, end / SECTOR as u64);
        if self.cancelled.range((first, 0)..(last, 0)).next().is_some() {
            return Ok(());
        }
        self.overlay.forget(start..end);
        self.created.insert(start, end);
        check_entries(self.created.len())
    }

    pub(super) fn is_cancelled(&self, place: BufferPlace) -> bool {
        self.cancelled.contains_key(&place)
    }

    pub(super) fn forget_cancelled(&mut self, place: BufferPlace) {
        if let Some(count) = self.cancelled.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.cancelled.remove(&place);
            }
        }
    }

    /// Returns `length` bytes at `start` as replayed so far, and whether they come from the disk unchanged.
    pub(super) fn read(
        &self,
        start: u64,
        length: usize,
    ) -> Result<(Vec<u8>, bool), FileSystemError> {
        self.checked_end(start, length as u64)?;
        let mut bytes = vec![0; length];
        let created = self.created.range(..=start).next_back();
        let new = created.is_some_and(|(_, &end)| start < end);
        let held = self.overlay.holds(start);
        if held || !new {
            self.partition.read_at(start, &mut bytes)?;
            self.overlay.patch(start, &mut bytes);
        }
        Ok((bytes, !held && !new))
    }

    pub(super) fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), FileSystemError> {
        let before = self.overlay.size();
        self.overlay.write(start, bytes, self.partition)?;
        self.memory.try_grow(self.overlay.size() - before)
    }

    /// Returns the end of a range that an item names, if it is short and lies within the file system.
    fn checked_end(&self, start: u64, length: u64) -> Result<u64, FileSystemError> {
        let end = start.saturating_add(length);
        if length == 0 || length > MAX_SECTORS * SECTOR as u64 || end > self.geometry.size {
            return Err(damaged(format!(
                "an item in its log names {length} bytes at {start}"
            )));
        }
        Ok(end)
    }
}

/// Fails if a table has more than [`MAX_ENTRIES`].
pub(super) fn check_entries(count: usize) -> Result<(), FileSystemError> {
    if count > MAX_ENTRIES {
        return Err(FileSystemError::Limit {
            path: "the log of the xfs file system".into(),
            limit: MAX_ENTRIES,
            of: "blocks given up or inodes created",
        });
    }
    Ok(())
}
