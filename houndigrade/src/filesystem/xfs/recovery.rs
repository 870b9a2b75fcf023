//! Replays the log in memory, as Linux does when it mounts: what was committed is seen, and nothing is written to the disk.
//!
//! Only what a reader looks at is kept: the superblock, inodes, directories, maps of extents, symlinks. Free space, quotas,
//! lists of inodes and the like are passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::geometry::Geometry;
use super::log::Log;
use super::overlay::{Overlay, SECTOR};
use super::transaction::{Item, Open, Transaction};
use super::{Error, buffer_item, damaged, inode_item};
use crate::bytes::{be32, le64};
use crate::memory::Part;
use crate::source::BlockSource;

const INODE: u16 = 0x123b;
const BUFFER: u16 = 0x123c;
const CREATE_INODES: u16 = 0x123f;
/// Items that say what is about to be done to the blocks of files, and that it was done.
const MAP: u16 = 0x1244;
const MAP_DONE: u16 = 0x1245;
const EXCHANGE: u16 = 0x1248;
const EXCHANGE_DONE: u16 = 0x1249;
/// All kinds of items there are. The others are about free space, reference counts, quotas and extended attributes.
const KNOWN: std::ops::RangeInclusive<u16> = 0x1236..=0x124f;

/// Most entries of each table below.
const MAX_ENTRIES: usize = 256 * 1024;
/// Longest range that an item may name, in sectors: 64 inodes of 2 KiB are the longest there is.
const MAX_SECTORS: u64 = 2048;

/// What the log changes.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) overlay: Overlay,
    /// Inodes of files whose blocks were being moved about. Linux finishes that when it mounts.
    pub(super) unfinished: BTreeSet<u64>,
}

/// Reads the log of the file system on `partition`.
pub(super) fn recover(
    partition: &dyn BlockSource,
    geometry: &Geometry,
    memory: &mut Part,
) -> Result<Recovered, Error> {
    let log = Log::new(partition, geometry);
    let live = log.live()?;
    if live.is_empty() {
        return Ok(Recovered::default());
    }
    let mut survey = Survey::default();
    let mut open = Open::default();
    log.records(live, |record| {
        open.take(record, |transaction| survey.take(transaction))
    })?;

    let mut replay = Replay {
        partition,
        geometry,
        cancelled: survey.cancelled,
        created: BTreeMap::new(),
        overlay: Overlay::default(),
        memory,
    };
    let mut open = Open::default();
    log.records(live, |record| {
        open.take(record, |transaction| replay.take(transaction))
    })?;
    Ok(Recovered {
        overlay: replay.overlay,
        unfinished: survey.intents.into_values().flatten().collect(),
    })
}

/// First sector and number of sectors of a buffer.
type Place = (u64, u32);

/// What has to be known of the whole log before it is replayed.
#[derive(Default)]
struct Survey {
    /// Buffers that were given up, and how often: what was logged for them before may by now be something else's.
    cancelled: BTreeMap<Place, u32>,
    /// Inodes by what was begun with them, and not finished.
    intents: BTreeMap<(u16, u64), Vec<u64>>,
}

impl Survey {
    fn take(&mut self, transaction: &Transaction) -> Result<(), Error> {
        for item in transaction.items()? {
            if !KNOWN.contains(&item.kind) {
                return Err(damaged(format!("unknown item {:#x} in its log", item.kind)));
            }
            let id = le64(item.format, 8).unwrap_or_default();
            match item.kind {
                BUFFER => {
                    if let Some(place) = buffer_item::cancelled(&item) {
                        *self.cancelled.entry(place).or_default() += 1;
                    }
                }
                MAP => {
                    // Each extent takes 32 bytes, the first 8 of which say whose it is.
                    let owners = item.format.get(16..).unwrap_or_default().chunks_exact(32);
                    let owners = owners.filter_map(|extent| le64(extent, 0)).collect();
                    self.intents.insert((MAP, id), owners);
                }
                EXCHANGE => {
                    let both = [16, 24].into_iter().filter_map(|at| le64(item.format, at));
                    self.intents.insert((EXCHANGE, id), both.collect());
                }
                MAP_DONE => drop(self.intents.remove(&(MAP, id))),
                EXCHANGE_DONE => drop(self.intents.remove(&(EXCHANGE, id))),
                _ => {}
            }
        }
        check_entries(self.cancelled.len() + self.intents.len())
    }
}

/// The second pass.
pub(super) struct Replay<'a> {
    pub(super) partition: &'a dyn BlockSource,
    pub(super) geometry: &'a Geometry,
    cancelled: BTreeMap<Place, u32>,
    /// Where inodes were created: first byte and end. What the disk has there is older.
    created: BTreeMap<u64, u64>,
    overlay: Overlay,
    memory: &'a mut Part,
}

impl Replay<'_> {
    fn take(&mut self, transaction: &Transaction) -> Result<(), Error> {
        let items = transaction.items()?;
        // Inodes are changed within buffers, so these come first, and what is given up is given up afterwards.
        for item in &items {
            match item.kind {
                BUFFER if buffer_item::cancelled(item).is_none() => {
                    buffer_item::replay(self, item, transaction.lsn)?;
                }
                CREATE_INODES => self.create_inodes(item)?,
                _ => {}
            }
        }
        for item in items.iter().filter(|item| item.kind == INODE) {
            inode_item::replay(self, item, transaction.lsn)?;
        }
        for item in items.iter().filter(|item| item.kind == BUFFER) {
            if let Some(place) = buffer_item::cancelled(item) {
                self.forget_cancelled(place);
            }
        }
        Ok(())
    }

    /// Remembers new inodes: all zeros, until they are changed.
    fn create_inodes(&mut self, item: &Item<'_>) -> Result<(), Error> {
        let word = |offset| u64::from(be32(item.format, offset).unwrap_or_default());
        let block_size = u64::from(self.geometry.block_size);
        let start = (word(4) * u64::from(self.geometry.group_blocks))
            .saturating_add(word(8))
            .saturating_mul(block_size);
        let end = self.checked_end(start, word(20) * block_size)?;
        let (first, last) = (start / SECTOR as u64, end / SECTOR as u64);
        if self.cancelled.range((first, 0)..(last, 0)).next().is_some() {
            return Ok(());
        }
        self.overlay.forget(start..end);
        self.created.insert(start, end);
        check_entries(self.created.len())
    }

    pub(super) fn is_cancelled(&self, place: Place) -> bool {
        self.cancelled.contains_key(&place)
    }

    fn forget_cancelled(&mut self, place: Place) {
        if let Some(count) = self.cancelled.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.cancelled.remove(&place);
            }
        }
    }

    /// `length` bytes at `start` as replayed so far, and whether they come from the disk, unchanged.
    pub(super) fn read(&self, start: u64, length: usize) -> Result<(Vec<u8>, bool), Error> {
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

    pub(super) fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), Error> {
        let before = self.overlay.size();
        self.overlay.write(start, bytes, self.partition)?;
        self.memory.take(self.overlay.size() - before)
    }

    /// The end of a range that an item names, if it is short and lies within the file system.
    fn checked_end(&self, start: u64, length: u64) -> Result<u64, Error> {
        let end = start.saturating_add(length);
        if length == 0 || length > MAX_SECTORS * SECTOR as u64 || end > self.geometry.size {
            return Err(damaged(format!(
                "an item in its log names {length} bytes at {start}"
            )));
        }
        Ok(end)
    }
}

fn check_entries(count: usize) -> Result<(), Error> {
    if count > MAX_ENTRIES {
        return Err(Error::Limit {
            path: "the log of the xfs file system".into(),
            limit: MAX_ENTRIES,
            of: "blocks given up or inodes created",
        });
    }
    Ok(())
}
