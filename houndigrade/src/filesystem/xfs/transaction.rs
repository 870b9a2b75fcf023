//! From records to transactions: operations of several transactions lie interleaved in the records, and those too long for
//! one record are continued in the next.

use std::collections::BTreeMap;

use super::log::{RingRecord, UNMOUNT};
use super::{FileSystemError, damaged};
use crate::bytes::{be32, le16, le32};
use crate::filesystem::budget::{MemoryBudget, Reservation};

/// Writers of the log: a transaction, or the log itself.
const TRANSACTION: u8 = 0x69;
const LOG: u8 = 0xaa;

const START: u8 = 0x01;
const COMMIT: u8 = 0x02;
const CONTINUES: u8 = 0x04;
const CONTINUED: u8 = 0x08;

const OPERATION_HEADER: usize = 12;
/// First word of a transaction's first region.
const MAGIC: u32 = 0x5452_414e;
/// Memory of a region or an open transaction beside its bytes.
const OVERHEAD: usize = 64;

/// One change: its kind, its format, and its bytes.
pub(super) struct LogItem<'a> {
    pub(super) kind: u16,
    pub(super) format: &'a [u8],
    pub(super) regions: &'a [Vec<u8>],
}

/// A transaction, as read so far.
pub(super) struct Transaction {
    /// Place in the log of its first record.
    pub(super) lsn: u64,
    regions: Vec<Vec<u8>>,
    /// The last region is the format of an item, and may be continued.
    is_format: bool,
    /// Regions to come of the last item, and whether they are kept.
    left: usize,
    is_needed: bool,
}

impl Transaction {
    fn new(lsn: u64) -> Self {
        Self {
            lsn,
            regions: Vec::new(),
            is_format: false,
            left: 0,
            is_needed: true,
        }
    }

    /// Adds a region. Those of items that are not needed stay empty.
    fn push(&mut self, bytes: &[u8], is_needed: fn(&[u8]) -> bool) -> usize {
        if let Some(format) = self.regions.last().filter(|_| self.is_format) {
            self.left = le16(format, 2).map_or(0, |count| usize::from(count).saturating_sub(1));
            self.is_needed = is_needed(format);
        }
        // The first region is the transaction's own header.
        self.is_format = self.left == 0 && !self.regions.is_empty();
        self.is_needed |= self.is_format;
        self.left = self.left.saturating_sub(1);
        let kept = if self.is_needed { bytes } else { &[] };
        self.regions.push(kept.to_vec());
        kept.len() + OVERHEAD
    }

    /// Continues the last region.
    fn extend(&mut self, bytes: &[u8]) -> usize {
        let kept = if self.is_needed { bytes } else { &[] };
        if let Some(region) = self.regions.last_mut() {
            region.extend_from_slice(kept);
        }
        kept.len()
    }

    /// Returns its changes, in the order of the log.
    pub(super) fn items(&self) -> Result<Vec<LogItem<'_>>, FileSystemError> {
        let Some((header, mut rest)) = self.regions.split_first() else {
            return Ok(Vec::new());
        };
        if le32(header, 0) != Some(MAGIC) {
            return Err(damaged("a transaction in its log has no header".into()));
        }
        let mut items = Vec::new();
        while let Some(format) = rest.first() {
            let (kind, count) = (le16(format, 0), le16(format, 2).map(usize::from));
            let (Some(kind), Some(count @ 1..)) = (kind, count) else {
                return Err(damaged("an item in its log has no size".into()));
            };
            let Some((regions, next)) = rest.split_at_checked(count) else {
                return Err(damaged("an item in its log is incomplete".into()));
            };
            items.push(LogItem {
                kind,
                format,
                regions: &regions[1..],
            });
            rest = next;
        }
        Ok(items)
    }
}

/// The unfinished transactions. Linux lets one have an eighth of the log, and sometimes more.
pub(super) struct OpenTransactions {
    transactions: BTreeMap<u32, Transaction>,
    /// Their bytes.
    held: Reservation,
    /// Decides by the format of an item if its regions are kept.
    is_needed: fn(&[u8]) -> bool,
}

impl OpenTransactions {
    pub(super) fn new(memory: &MemoryBudget, is_needed: fn(&[u8]) -> bool) -> Self {
        Self {
            transactions: BTreeMap::new(),
            held: memory.reservation(),
            is_needed,
        }
    }

    /// Adds the operations of the next record, and calls `committed` with each transaction that ends in it.
    pub(super) fn take(
        &mut self,
        record: &RingRecord,
        mut committed: impl FnMut(&Transaction) -> Result<(), FileSystemError>,
    ) -> Result<(), FileSystemError> {
        let mut rest = &record.body[..];
        for _ in 0..record.operations {
            let Some((header, after)) = rest.split_at_checked(OPERATION_HEADER) else {
                // Linux stops at the end of the body, too.
                break;
            };
            let id = be32(header, 0).unwrap_or_default();
            let length = be32(header, 4).unwrap_or_default() as usize;
            let Some((bytes, after)) = after.split_at_checked(length) else {
                return Err(damaged(
                    "an operation in its log ends beyond its record".into(),
                ));
            };
            rest = after;
            let (client, flags) = (header[8], header[9]);
            match client {
                TRANSACTION => {}
                LOG => continue,
                _ => return Err(damaged("an operation in its log is nobody's".into())),
            }
            if flags & START != 0 {
                self.begin(id, record.lsn)?;
            } else if flags & COMMIT != 0 {
                if let Some(transaction) = self.end(id) {
                    committed(&transaction)?;
                }
            } else if flags & UNMOUNT != 0 {
                self.end(id);
            } else {
                self.append(id, flags, bytes)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, id: u32, lsn: u64) -> Result<(), FileSystemError> {
        self.end(id);
        self.transactions.insert(id, Transaction::new(lsn));
        self.held.try_grow(OVERHEAD)
    }

    fn append(&mut self, id: u32, flags: u8, bytes: &[u8]) -> Result<(), FileSystemError> {
        // A transaction from before the tail has been written to its place already.
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return Ok(());
        };
        let taken = if flags & CONTINUED != 0 && !transaction.regions.is_empty() {
            transaction.extend(bytes)
        } else if bytes.is_empty() && flags & CONTINUES == 0 {
            0
        } else {
            transaction.push(bytes, self.is_needed)
        };
        self.held.try_grow(taken)
    }

    fn end(&mut self, id: u32) -> Option<Transaction> {
        let transaction = self.transactions.remove(&id)?;
        let regions = transaction.regions.iter();
        let held: usize = regions.map(|region| region.len() + OVERHEAD).sum();
        self.held.shrink(held + OVERHEAD);
        Some(transaction)
    }
}
