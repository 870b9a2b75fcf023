//! Chunks: the map from the logical addresses in trees and extents to places on the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{damaged, unsupported};
use crate::bytes::{le16, le64};
use crate::filesystem::FileSystemError;
use crate::source::BlockSource;

/// Bytes of a chunk item before its stripes, and of a stripe.
const HEAD: usize = 48;
const STRIPE: usize = 32;
/// RAID1C4 has the most copies.
const MAX_COPIES: usize = 4;
/// 256 TiB in chunks of a gigabyte.
const MAX_CHUNKS: usize = 256 * 1024;

/// Types: data, system, metadata, and the ways to store copies: RAID1, DUP, RAID1C3, RAID1C4.
const READABLE: u64 = 0x7 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 10;
const STRIPED: [(u64, &str); 4] = [
    (1 << 3, "btrfs RAID0"),
    (1 << 6, "btrfs RAID10"),
    (1 << 7, "btrfs RAID5"),
    (1 << 8, "btrfs RAID6"),
];

/// A partition, read by logical addresses.
pub(super) struct Chunks {
    partition: Arc<dyn BlockSource>,
    device: u64,
    by_start: BTreeMap<u64, Chunk>,
}

struct Chunk {
    length: u64,
    /// Beginnings of the copies on this device, or the reason why it can't be read. Chunks that are never read need not be readable.
    copies: Result<Vec<u64>, &'static str>,
}

impl Chunks {
    pub(super) fn new(partition: Arc<dyn BlockSource>, device: u64) -> Self {
        Self {
            partition,
            device,
            by_start: BTreeMap::new(),
        }
    }

    /// Adds the chunk at `start`, described by the chunk item `data`.
    ///
    /// # Errors
    /// If the item is damaged, or there are too many.
    pub(super) fn add(&mut self, start: u64, data: &[u8]) -> Result<(), FileSystemError> {
        let (Some(length), Some(kind), Some(stripes)) =
            (le64(data, 0), le64(data, 24), le16(data, 44))
        else {
            return damaged("a chunk item is too short");
        };
        let unreadable = kind & !READABLE;
        let copies = if let Some((_, name)) = STRIPED.iter().find(|(bit, _)| unreadable & bit != 0)
        {
            Err(*name)
        } else if unreadable != 0 {
            Err("btrfs chunks of an unknown kind")
        } else {
            self.copies(data, stripes.into())?
        };
        self.by_start.insert(start, Chunk { length, copies });
        if self.by_start.len() > MAX_CHUNKS {
            return damaged(format!("more than {MAX_CHUNKS} chunks"));
        }
        Ok(())
    }

    fn copies(
        &self,
        data: &[u8],
        stripes: usize,
    ) -> Result<Result<Vec<u64>, &'static str>, FileSystemError> {
        let stripes = data
            .get(HEAD..)
            .and_then(|rest| rest.get(..stripes * STRIPE));
        let Some(stripes) = stripes else {
            return damaged("a chunk item is too short for its stripes");
        };
        let here: Vec<u64> = stripes
            .chunks_exact(STRIPE)
            .filter(|stripe| le64(stripe, 0) == Some(self.device))
            .filter_map(|stripe| le64(stripe, 8))
            .take(MAX_COPIES)
            .collect();
        Ok(if here.is_empty() {
            Err("btrfs over several devices")
        } else {
            Ok(here)
        })
    }

    /// Adds the chunks of the superblock, each a key and an item.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub(super) fn add_system_chunks(&mut self, mut bytes: &[u8]) -> Result<(), FileSystemError> {
        const KEY: usize = 17;
        while !bytes.is_empty() {
            let (Some(start), Some(stripes)) = (le64(bytes, 9), le16(bytes, KEY + 44)) else {
                return damaged("a chunk in the superblock is too short");
            };
            self.add(start, &bytes[KEY..])?;
            let length = KEY + HEAD + usize::from(stripes) * STRIPE;
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// Returns the offsets in the partition of the `length` bytes at `logical`: one for each copy, at least one.
    ///
    /// # Errors
    /// If no chunk holds them all, or theirs can't be read.
    pub(super) fn locate(&self, logical: u64, length: usize) -> Result<Vec<u64>, FileSystemError> {
        let chunk = self.by_start.range(..=logical).next_back();
        let Some((start, chunk)) = chunk else {
            return damaged(format!("no chunk holds address {logical}"));
        };
        let within = logical - start;
        if within.saturating_add(length as u64) > chunk.length {
            return damaged(format!(
                "no chunk holds {length} bytes at address {logical}"
            ));
        }
        match &chunk.copies {
            Ok(copies) => Ok(copies
                .iter()
                .map(|copy| copy.saturating_add(within))
                .collect()),
            Err(reason) => unsupported(reason),
        }
    }

    /// Fills `buffer` with the bytes at `logical`, from the first copy.
    ///
    /// # Errors
    /// As for [`locate`](Self::locate), and if the disk can't be read.
    pub(super) fn read(&self, logical: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        let copies = self.locate(logical, buffer.len())?;
        self.read_copy(copies.first().copied().unwrap_or(u64::MAX), buffer)
    }

    /// Fills `buffer` from an offset of the partition.
    ///
    /// # Errors
    /// If the disk can't be read.
    pub(super) fn read_copy(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileSystemError> {
        Ok(self.partition.read_at(offset, buffer)?)
    }
}
