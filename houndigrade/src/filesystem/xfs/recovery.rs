//! Replays the log in memory, as Linux does when it mounts: committed changes are visible, and nothing is written to the disk.
//!
//! Only structures of interest to a reader are kept: the superblock, inodes, directories, maps of extents, symlinks. Free space,
//! quotas, lists of inodes and the like are skipped.

use std::collections::{BTreeMap, BTreeSet};

use super::geometry::Geometry;
use super::log::LogRing;
use super::overlay::LogOverlay;
use super::replayed::{BufferPlace, ReplayedVolume, check_entries};
use super::transaction::{LogItem, OpenTransactions, Transaction};
use super::{FileSystemError, buffer_item, damaged, inode_item};
use crate::bytes::{be32, le16, le64};
use crate::filesystem::budget::{MemoryBudget, Reservation};
use crate::source::BlockSource;

const INODE: u16 = 0x123b;
const BUFFER: u16 = 0x123c;
const CREATE_INODES: u16 = 0x123f;
/// Items that announce changes to the blocks of files, and those that end them.
const MAP: u16 = 0x1244;
const MAP_DONE: u16 = 0x1245;
const EXCHANGE: u16 = 0x1248;
const EXCHANGE_DONE: u16 = 0x1249;
/// All kinds of items. The others are about free space, reference counts, quotas and extended attributes.
const KNOWN: std::ops::RangeInclusive<u16> = 0x1236..=0x124f;

/// The changes in the log.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) overlay: LogOverlay,
    /// Inodes of files with unfinished changes to their blocks. Linux finishes them when it mounts.
    pub(super) unfinished: BTreeSet<u64>,
}

/// Reads the log of the file system on `partition`. Its changes take `memory`; transactions take some of `budget` until they end.
pub(super) fn recover(
    partition: &dyn BlockSource,
    geometry: &Geometry,
    budget: &MemoryBudget,
    memory: &mut Reservation,
) -> Result<Recovered, FileSystemError> {
    let log = LogRing::new(partition, geometry);
    let live = log.live()?;
    if live.is_empty() {
        return Ok(Recovered::default());
    }
    let mut survey = LogSurvey::default();
    let mut open = OpenTransactions::new(budget, |_| false);
    log.records(live, |record| {
        open.take(record, |transaction| survey.take(transaction))
    })?;

    drop(open);
    let mut volume = ReplayedVolume::new(partition, geometry, survey.cancelled, memory);
    let mut open = OpenTransactions::new(budget, is_replayed);
    log.records(live, |record| {
        open.take(record, |transaction| replay(&mut volume, transaction))
    })?;
    Ok(Recovered {
        overlay: volume.overlay,
        unfinished: survey.intents.into_values().flatten().collect(),
    })
}

/// The first pass: facts about the whole log that the replay depends on.
#[derive(Default)]
struct LogSurvey {
    /// Buffers that were given up, and how often: earlier changes to the place may be to other contents by now.
    cancelled: BTreeMap<BufferPlace, u32>,
    /// Inodes by the unfinished change to them.
    intents: BTreeMap<(u16, u64), Vec<u64>>,
}

impl LogSurvey {
    fn take(&mut self, transaction: &Transaction) -> Result<(), FileSystemError> {
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
                    // Each extent takes 32 bytes, the first 8 of which are its inode.
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

/// Returns whether the regions of an item with this format are replayed.
fn is_replayed(format: &[u8]) -> bool {
    match le16(format, 0) {
        Some(INODE) => true,
        Some(BUFFER) => buffer_item::is_of_interest(format),
        _ => false,
    }
}

/// Replays one transaction: the second pass.
fn replay(
    volume: &mut ReplayedVolume<'_>,
    transaction: &Transaction,
) -> Result<(), FileSystemError> {
    let items = transaction.items()?;
    // Inodes lie in buffers, so these come first; buffers are given up last.
    for item in &items {
        match item.kind {
            BUFFER if buffer_item::cancelled(item).is_none() => {
                buffer_item::replay(volume, item, transaction.lsn)?;
            }
            CREATE_INODES => create_inodes(volume, item)?,
            _ => {}
        }
    }
    for item in items.iter().filter(|item| item.kind == INODE) {
        inode_item::replay(volume, item, transaction.lsn)?;
    }
    for item in items.iter().filter(|item| item.kind == BUFFER) {
        if let Some(place) = buffer_item::cancelled(item) {
            volume.forget_cancelled(place);
        }
    }
    Ok(())
}

/// Inodes are created in blocks of an allocation group.
fn create_inodes(
    volume: &mut ReplayedVolume<'_>,
    item: &LogItem<'_>,
) -> Result<(), FileSystemError> {
    let word = |offset| u64::from(be32(item.format, offset).unwrap_or_default());
    let geometry = volume.geometry;
    let block_size = u64::from(geometry.block_size);
    let start = (word(4) * u64::from(geometry.group_blocks))
        .saturating_add(word(8))
        .saturating_mul(block_size);
    volume.create_inodes(start, word(20) * block_size)
}
