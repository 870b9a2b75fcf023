//! From records to transactions: operations of several transactions lie interleaved in the records, and those too long for
//! one record are continued in the next.

use std::collections::BTreeMap;

use super::log::{RingRecord, UNMOUNT};
use super::{FileSystemError, MAX_OPEN, damaged};
use crate::bytes::{be32, le16, le32};

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
}

impl Transaction {
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

/// The unfinished transactions.
#[derive(Default)]
pub(super) struct OpenTransactions {
    transactions: BTreeMap<u32, Transaction>,
    /// Bytes in memory.
    held: usize,
}

impl OpenTransactions {
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
        let regions = Vec::new();
        self.transactions.insert(id, Transaction { lsn, regions });
        self.hold(OVERHEAD)
    }

    fn append(&mut self, id: u32, flags: u8, bytes: &[u8]) -> Result<(), FileSystemError> {
        // A transaction from before the tail has been written to its place already.
        let Some(transaction) = self.transactions.get_mut(&id) else {
            return Ok(());
        };
        match transaction.regions.last_mut() {
            Some(region) if flags & CONTINUED != 0 => {
                region.extend_from_slice(bytes);
                self.hold(bytes.len())
            }
            _ if bytes.is_empty() && flags & CONTINUES == 0 => Ok(()),
            _ => {
                transaction.regions.push(bytes.to_vec());
                self.hold(bytes.len() + OVERHEAD)
            }
        }
    }

    fn end(&mut self, id: u32) -> Option<Transaction> {
        let transaction = self.transactions.remove(&id)?;
        let regions = transaction.regions.iter();
        let held: usize = regions.map(|region| region.len() + OVERHEAD).sum();
        self.held = self.held.saturating_sub(held + OVERHEAD);
        Some(transaction)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), FileSystemError> {
        self.held += bytes;
        if self.held > MAX_OPEN {
            return Err(FileSystemError::Limit {
                path: "the log of the xfs file system".into(),
                limit: MAX_OPEN,
                of: "bytes in transactions that began and did not end",
            });
        }
        Ok(())
    }
}
