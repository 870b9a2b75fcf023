//! The partition with the log replayed.

use std::sync::Arc;

use super::geometry::Geometry;
use super::overlay::LogOverlay;
use super::superblock::XfsSuperblock;
use super::{FileSystemError, checksum, damaged};
use crate::bytes::{array, be64};
use crate::source::BlockSource;

pub(super) struct XfsVolume {
    partition: Arc<dyn BlockSource>,
    overlay: LogOverlay,
    pub(super) superblock: XfsSuperblock,
}

/// Offsets of the fields that prove what a block of version 5 is.
pub(super) struct BlockHeader {
    pub(super) checksum: usize,
    /// Its first sector.
    pub(super) place: usize,
    pub(super) uuid: usize,
    /// The inode it belongs to.
    pub(super) owner: usize,
}

impl XfsVolume {
    pub(super) fn new(
        partition: Arc<dyn BlockSource>,
        overlay: LogOverlay,
        geometry: &Geometry,
    ) -> Result<Self, FileSystemError> {
        let mut sector = vec![0; geometry.sector_size];
        partition.read_at(0, &mut sector)?;
        overlay.patch(0, &mut sector);
        let superblock = XfsSuperblock::parse(&sector, partition.size())?;
        Ok(Self {
            partition,
            overlay,
            superblock,
        })
    }

    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        self.partition.read_at(offset, buffer)?;
        self.overlay.patch(offset, buffer);
        Ok(())
    }

    /// Reads blocks by their number from the beginning of the partition.
    pub(super) fn block(&self, number: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        self.read_at(number * self.superblock.block_size, buffer)
    }

    /// Returns whether any of the blocks comes from the log, whose records have checksums of their own.
    pub(super) fn is_replayed(&self, number: u64, count: u64) -> bool {
        let size = self.superblock.block_size;
        self.overlay.has_any(number * size..(number + count) * size)
    }

    /// Checks that `bytes` are a block of inode `owner` that belongs at block `number` of the partition, if the version allows that.
    /// Those of `is_replayed` blocks have the checksum from before the changes.
    pub(super) fn check(
        &self,
        header: &BlockHeader,
        bytes: &[u8],
        number: u64,
        owner: u64,
        is_replayed: bool,
    ) -> Result<(), FileSystemError> {
        if !self.superblock.v5 {
            return Ok(());
        }
        let fail = |what: &str| Err(damaged(format!("block {number}, of inode {owner}, {what}")));
        if !is_replayed && !checksum::fits(bytes, header.checksum) {
            return fail("does not fit its checksum");
        }
        let sector = number * (self.superblock.block_size / super::overlay::SECTOR as u64);
        if be64(bytes, header.place) != Some(sector)
            || array(bytes, header.uuid) != Some(self.superblock.uuid)
            || be64(bytes, header.owner) != Some(owner)
        {
            return fail("belongs elsewhere");
        }
        Ok(())
    }
}
