//! SQLite's write-ahead log: pages as they are after the last transactions, in the order of writing.

use std::collections::HashMap;

use super::super::cached_file::CachedFile;
use super::super::{MAX_FILE, RpmError};
use crate::bytes::array;
use crate::filesystem::OpenFile;

/// The lowest bit is the byte order of checksums.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Most pages in a log: [`MAX_FILE`] in pages of the usual size.
const MAX_FRAMES: u64 = 1 << 19;

pub(super) struct Wal<'a> {
    file: CachedFile<'a>,
    /// Page to the place of its last committed contents.
    frames: HashMap<u32, u64>,
    /// Pages of the database after the last commit.
    pages: u32,
}

impl<'a> Wal<'a> {
    /// Reads the log; `None` if nothing in it was committed: it may be empty, or left from an older database.
    pub(super) fn open(
        file: Box<dyn OpenFile + 'a>,
        page_size: usize,
    ) -> Result<Option<Self>, RpmError> {
        let mut file = CachedFile::new(file, MAX_FILE)?;
        if file.size() < HEADER as u64 {
            return Ok(None);
        }
        let header: [u8; HEADER] = file.array(0)?;
        let magic = be32(&header, 0);
        let mut sum = Checksum {
            big_endian: magic & 1 != 0,
            value: (0, 0),
        };
        sum.add(&header[..24]);
        if magic & !1 != MAGIC || sum.value != (be32(&header, 24), be32(&header, 28)) {
            return Ok(None);
        }
        if be32(&header, 4) != VERSION {
            return Err(RpmError::Unsupported(format!(
                "version {} of the write-ahead log",
                be32(&header, 4)
            )));
        }
        let mut wal = Self {
            file,
            frames: HashMap::new(),
            pages: 0,
        };
        let logged = be32(&header, 8);
        if logged as usize == page_size {
            wal.replay(&header[16..24], sum, page_size)?;
        } else if wal.file.size() > HEADER as u64 {
            return Err(RpmError::damaged(format!(
                "its pages have {page_size} bytes, those of its write-ahead log {logged}"
            )));
        }
        Ok((wal.pages != 0).then_some(wal))
    }

    /// Finds the pages of all frames up to the last that ends a transaction. A frame with another salt than the log's is from
    /// an earlier use of the file, one with a wrong checksum was not completed: both end the log.
    fn replay(&mut self, salt: &[u8], mut sum: Checksum, page_size: usize) -> Result<(), RpmError> {
        let size = (FRAME_HEADER + page_size) as u64;
        let count = (self.file.size() - HEADER as u64) / size;
        if count > MAX_FRAMES {
            return Err(RpmError::Limit {
                limit: MAX_FRAMES,
                of: "pages in its write-ahead log",
            });
        }
        let mut transaction = Vec::new();
        let mut frame = vec![0; size as usize];
        for offset in (0..count).map(|number| HEADER as u64 + number * size) {
            self.file.read(offset, &mut frame)?;
            let (header, page) = frame.split_at(FRAME_HEADER);
            sum.add(&header[..8]);
            sum.add(page);
            let intact = header[8..16] == *salt
                && sum.value == (be32(header, 16), be32(header, 20))
                && be32(header, 0) != 0;
            if !intact {
                break;
            }
            transaction.push((be32(header, 0), offset + FRAME_HEADER as u64));
            let pages = be32(header, 4);
            if pages != 0 {
                self.pages = pages;
                self.frames.extend(transaction.drain(..));
            }
        }
        Ok(())
    }

    /// Returns the size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }

    /// Pages of the database after the last commit.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// Fills `buffer` from byte `offset` of page `page` on, if the page is in the log.
    pub(super) fn read(
        &mut self,
        page: u32,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<bool, RpmError> {
        let Some(start) = self.frames.get(&page) else {
            return Ok(false);
        };
        self.file.read(start + offset as u64, buffer)?;
        Ok(true)
    }
}

/// SQLite's checksum: two sums, each added to the other, over all frames.
struct Checksum {
    big_endian: bool,
    value: (u32, u32),
}

impl Checksum {
    /// Adds `bytes`, a multiple of 8.
    fn add(&mut self, bytes: &[u8]) {
        let (mut first, mut second) = self.value;
        for pair in bytes.chunks_exact(8) {
            let word = |offset| {
                let bytes = array(pair, offset).unwrap_or_default();
                match self.big_endian {
                    true => u32::from_be_bytes(bytes),
                    false => u32::from_le_bytes(bytes),
                }
            };
            first = first.wrapping_add(word(0)).wrapping_add(second);
            second = second.wrapping_add(word(4)).wrapping_add(first);
        }
        self.value = (first, second);
    }
}

/// Returns the number at `offset` of a buffer that is long enough.
fn be32(bytes: &[u8], offset: usize) -> u32 {
    array(bytes, offset).map_or(0, u32::from_be_bytes)
}
