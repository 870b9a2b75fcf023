//! The log: a ring of 512-byte blocks. Each holds in its first word the number of the round, or "cycle", in which it was
//! written; records of many blocks keep the words that were there before in their headers.

use super::geometry::Geometry;
use super::overlay::SECTOR;
use super::{FileSystemError, checksum::Crc32c, damaged};
use crate::bytes::{array, be32, be64};
use crate::source::BlockSource;

/// First word of the header of a record.
const MAGIC: u32 = 0xfeed_babe;
/// Largest record in bytes, without its headers.
const MAX_RECORD: u32 = 256 * 1024;
/// Body blocks for whose first words one header block has room.
const WORDS_PER_HEADER: u64 = 64;
/// Largest record in blocks, with its headers.
const MAX_RECORD_BLOCKS: u64 = MAX_RECORD as u64 / SECTOR as u64 + MAX_RECORD_HEADERS;
const MAX_RECORD_HEADERS: u64 = MAX_RECORD as u64 / SECTOR as u64 / WORDS_PER_HEADER;
/// Records that Linux writes at the same time, so that a crash can leave them in any order or torn.
const MAX_RECORDS_IN_FLIGHT: usize = 8;
/// Version of a log whose records may have several header blocks.
const VERSION_2: u32 = 2;
/// Format of a little-endian host, with items in its byte order.
const LITTLE_ENDIAN: u32 = 1;
/// Bytes that checksums cover of a header and of a further header block.
const HEADER_SIZE: usize = 328;
const FURTHER_HEADER_SIZE: usize = 260;
const CRC: usize = 32;

/// The flag of an operation that marks a clean unmount.
pub(super) const UNMOUNT: u8 = 0x20;

/// The live part of the log: the records from block `tail` to before block `head`; empty if they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LiveLog {
    pub(super) tail: u64,
    pub(super) head: u64,
}

impl LiveLog {
    const NOTHING: Self = Self { tail: 0, head: 0 };

    pub(super) fn is_empty(self) -> bool {
        self.tail == self.head
    }
}

/// A record, with the first words of its blocks restored.
pub(super) struct RingRecord {
    /// Place in the log: cycle and block.
    pub(super) lsn: u64,
    /// Operations in the body.
    pub(super) operations: u32,
    pub(super) body: Vec<u8>,
    intact: bool,
}

impl RingRecord {
    /// Returns whether it only marks an unmount.
    fn is_unmount(&self) -> bool {
        self.operations == 1 && self.body.get(9).is_some_and(|flags| flags & UNMOUNT != 0)
    }
}

/// The header of a record.
struct RecordHeader {
    /// Its block.
    block: u64,
    bytes: Vec<u8>,
    /// Header blocks and body blocks.
    headers: u64,
    blocks: u64,
}

impl RecordHeader {
    fn word(&self, offset: usize) -> u32 {
        be32(&self.bytes, offset).unwrap_or_default()
    }

    /// Bytes of the body.
    fn length(&self) -> usize {
        self.word(12) as usize
    }

    /// Returns the block of the oldest live record when this one was written.
    fn tail(&self) -> u64 {
        be64(&self.bytes, 24).unwrap_or_default() & 0xffff_ffff
    }
}

/// The ring.
pub(super) struct LogRing<'a> {
    partition: &'a dyn BlockSource,
    start: u64,
    blocks: u64,
    uuid: [u8; 16],
}

impl<'a> LogRing<'a> {
    pub(super) fn new(partition: &'a dyn BlockSource, geometry: &Geometry) -> Self {
        Self {
            partition,
            start: geometry.log_start,
            blocks: geometry.log_size / SECTOR as u64,
            uuid: geometry.uuid,
        }
    }

    /// Finds the live part, by the rules of Linux.
    pub(super) fn live(&self) -> Result<LiveLog, FileSystemError> {
        let Some((mut head, holes)) = self.youngest()? else {
            return Ok(LiveLog::NOTHING);
        };
        let mut last = self.header_before(head)?;
        // An unmount record is written after all others, so none is missing.
        if self.ends(&last, head) && self.record(&last)?.is_unmount() {
            return Ok(LiveLog::NOTHING);
        }
        head = self.before_holes(head, holes)?;
        last = self.header_before(head)?;
        if !self.ends(&last, head) {
            head = last.block;
            last = self.header_before(head)?;
        }
        if let Some(torn) = self.oldest_torn(&last)? {
            head = torn;
            last = self.header_before(head)?;
        }
        if !self.ends(&last, head) {
            return Err(inconsistent(head, "is not where a record ends"));
        }
        if self.record(&last)?.is_unmount() {
            return Ok(LiveLog::NOTHING);
        }
        let tail = last.tail();
        if tail >= self.blocks {
            return Err(inconsistent(tail, "is beyond its end"));
        }
        let head = self.wrap(head);
        Ok(LiveLog { tail, head })
    }

    /// Calls `each` with the live records, oldest first.
    pub(super) fn records(
        &self,
        live: LiveLog,
        mut each: impl FnMut(&RingRecord) -> Result<(), FileSystemError>,
    ) -> Result<(), FileSystemError> {
        let mut block = live.tail;
        while block != live.head {
            let header = self
                .header(block)?
                .ok_or_else(|| inconsistent(block, "is not the beginning of a record"))?;
            let length = header.headers + header.blocks;
            if length > self.distance(block, live.head) {
                return Err(inconsistent(block, "begins a record that is too long"));
            }
            let record = self.record(&header)?;
            if header.word(300) != LITTLE_ENDIAN && !record.is_unmount() {
                return Err(damaged(
                    "its log was written on a big-endian machine".into(),
                ));
            }
            each(&record)?;
            block = self.wrap(block + length);
        }
        Ok(())
    }

    /// Returns the block after the youngest by a binary search, at most the number of blocks, and the cycle that torn blocks before
    /// it should have. `None` for a log that has never been used.
    fn youngest(&self) -> Result<Option<(u64, u32)>, FileSystemError> {
        let (first, last) = (self.cycle(0)?, self.cycle(self.blocks - 1)?);
        if first == 0 {
            return Ok(None);
        }
        if first == last {
            return Ok(Some((self.blocks, last.wrapping_sub(1))));
        }
        let (mut young, mut old) = (0, self.blocks - 1);
        while old - young > 1 {
            let middle = young + (old - young) / 2;
            if self.cycle(middle)? == last {
                old = middle;
            } else {
                young = middle;
            }
        }
        Ok(Some((old, last)))
    }

    /// Returns the first block of cycle `missing` among those before `head` that may have been written out of order, or of the
    /// cycle before that where they lie before the end of the ring; else `head`.
    fn before_holes(&self, head: u64, missing: u32) -> Result<u64, FileSystemError> {
        let scanned =
            (MAX_RECORDS_IN_FLIGHT as u64 * u64::from(MAX_RECORD) / SECTOR as u64).min(self.blocks);
        let wrapped = scanned.saturating_sub(head);
        // Zero is the cycle of a log in its first round, which has nothing to wrap to.
        if wrapped > 0 && missing != 0 {
            let start = self.blocks - wrapped;
            if let Some(hole) = self.find_cycle(start, wrapped, missing.wrapping_sub(1))? {
                return Ok(hole);
            }
        }
        let start = head.saturating_sub(scanned);
        let hole = self.find_cycle(start, head - start, missing)?;
        Ok(hole.unwrap_or(head))
    }

    fn find_cycle(
        &self,
        start: u64,
        count: u64,
        cycle: u32,
    ) -> Result<Option<u64>, FileSystemError> {
        let blocks = self.read(start, count)?;
        let found = blocks
            .chunks_exact(SECTOR)
            .position(|block| cycle_of(block) == cycle);
        Ok(found.map(|position| start + position as u64))
    }

    /// Returns the block of the oldest record with a wrong checksum, among `last` and those that may have been written with it.
    fn oldest_torn(&self, last: &RecordHeader) -> Result<Option<u64>, FileSystemError> {
        let (mut torn, tail) = (None, last.tail());
        let mut block = last.block;
        for _ in 0..MAX_RECORDS_IN_FLIGHT {
            let Some(header) = self.header(block)? else {
                break;
            };
            if !self.record(&header)?.intact {
                torn = Some(block);
            }
            if block == tail {
                break;
            }
            block = self.header_before(block)?.block;
        }
        Ok(torn)
    }

    /// Returns the header of the record before `block`.
    fn header_before(&self, block: u64) -> Result<RecordHeader, FileSystemError> {
        const AT_ONCE: u64 = 8;
        let most = MAX_RECORD_BLOCKS.min(self.blocks);
        for back in (AT_ONCE..most + AT_ONCE).step_by(AT_ONCE as usize) {
            let count = AT_ONCE.min(self.blocks);
            let start = self.wrap(block % self.blocks + 2 * self.blocks - back.min(self.blocks));
            let blocks = self.read(start, count)?;
            let found = blocks
                .chunks_exact(SECTOR)
                .rposition(|block| be32(block, 0) == Some(MAGIC));
            if let Some(position) = found {
                let at = self.wrap(start + position as u64);
                return self
                    .header(at)?
                    .ok_or_else(|| inconsistent(at, "is not the beginning of a record"));
            }
        }
        Err(inconsistent(block, "has no record before it"))
    }

    /// Returns the header in `block`, if there is one.
    fn header(&self, block: u64) -> Result<Option<RecordHeader>, FileSystemError> {
        let bytes = self.read(block, 1)?;
        let word = |offset| be32(&bytes, offset).unwrap_or_default();
        if word(0) != MAGIC {
            return Ok(None);
        }
        let (version, length, buffer) = (word(8), word(12), word(320));
        if length > MAX_RECORD || buffer > MAX_RECORD {
            return Err(inconsistent(block, "begins a record of an impossible size"));
        }
        if array(&bytes, 304) != Some(self.uuid) {
            return Err(inconsistent(block, "belongs to another file system"));
        }
        let blocks = u64::from(length).div_ceil(SECTOR as u64);
        let headers = if version & VERSION_2 == 0 {
            1
        } else {
            u64::from(buffer)
                .div_ceil(SECTOR as u64 * WORDS_PER_HEADER)
                .max(1)
        };
        // mkfs.xfs pads its record to the stripes of the array, without the header blocks that this takes.
        let padded = word(40) == 1;
        if headers + blocks >= self.blocks || (blocks > headers * WORDS_PER_HEADER && !padded) {
            return Err(inconsistent(block, "begins a record of an impossible size"));
        }
        Ok(Some(RecordHeader {
            block,
            bytes,
            headers,
            blocks,
        }))
    }

    /// Reads the whole record.
    fn record(&self, header: &RecordHeader) -> Result<RingRecord, FileSystemError> {
        let further = self.read(self.wrap(header.block + 1), header.headers - 1)?;
        let mut body = self.read(self.wrap(header.block + header.headers), header.blocks)?;

        let covered = header.blocks.div_ceil(WORDS_PER_HEADER).saturating_sub(1) as usize;
        let crc = Crc32c::new()
            .add(&header.bytes[..CRC])
            .add(&[0; 4])
            .add(&header.bytes[CRC + 4..HEADER_SIZE]);
        let crc = further
            .chunks_exact(SECTOR)
            .take(covered)
            .fold(crc, |crc, block| crc.add(&block[..FURTHER_HEADER_SIZE]))
            .add(&body[..header.length()]);
        // The tools that make and repair file systems write no checksum.
        let stored = array(&header.bytes, CRC).unwrap_or_default();
        let intact = stored == [0; 4] || stored == crc.sum().to_le_bytes();

        let words = header.bytes[44..44 + 256].chunks_exact(4).chain(
            further
                .chunks_exact(SECTOR)
                .flat_map(|block| block[4..FURTHER_HEADER_SIZE].chunks_exact(4)),
        );
        for (block, word) in body.chunks_exact_mut(SECTOR).zip(words) {
            block[..4].copy_from_slice(word);
        }
        body.truncate(header.length());
        Ok(RingRecord {
            lsn: be64(&header.bytes, 16).unwrap_or_default(),
            operations: header.word(40),
            body,
            intact,
        })
    }

    /// Returns whether the record ends before block `head`.
    fn ends(&self, header: &RecordHeader, head: u64) -> bool {
        self.wrap(header.block + header.headers + header.blocks) == self.wrap(head)
    }

    fn cycle(&self, block: u64) -> Result<u32, FileSystemError> {
        Ok(cycle_of(&self.read(block, 1)?))
    }

    /// Reads `count` blocks from `block` on, around the end of the ring.
    fn read(&self, block: u64, count: u64) -> Result<Vec<u8>, FileSystemError> {
        let mut blocks = vec![0; count as usize * SECTOR];
        let unbroken = count.min(self.blocks - block) as usize * SECTOR;
        let (before, after) = blocks.split_at_mut(unbroken);
        self.partition
            .read_at(self.start + block * SECTOR as u64, before)?;
        self.partition.read_at(self.start, after)?;
        Ok(blocks)
    }

    fn wrap(&self, block: u64) -> u64 {
        block % self.blocks
    }

    fn distance(&self, from: u64, to: u64) -> u64 {
        self.wrap(to + self.blocks - from)
    }
}

fn cycle_of(block: &[u8]) -> u32 {
    let word = |offset| be32(block, offset).unwrap_or_default();
    if word(0) == MAGIC { word(4) } else { word(0) }
}

fn inconsistent(block: u64, what: &str) -> FileSystemError {
    damaged(format!("block {block} of its log {what}"))
}
