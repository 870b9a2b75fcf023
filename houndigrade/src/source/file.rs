//! A disk image in a file, or a block device.
//!
//! File systems read the same blocks over and over: they are read once, in pages, and cached.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;

use parking_lot::Mutex;

use super::cache::BlockCache;
use super::readahead::Streams;
use super::{BlockSource, check_range};
use houndigrade_report::Stats;

/// Bytes in a page: the usual block of a file system, so that little is read in vain.
const PAGE: u64 = 4096;
/// Most pages read at once: the memory of a read beside the cache.
const MAX_PAGES: u64 = 256;
/// Default size of the cache in bytes.
const CACHE_SIZE: usize = 16 * 1024 * 1024;

/// An image file or a block device, opened read-only.
pub struct DiskFile {
    file: File,
    size: u64,
    pages: Mutex<PageCache>,
}

impl DiskFile {
    /// Opens the file or device at `path`.
    ///
    /// # Errors
    /// If it can't be opened, or is neither a regular file nor a block device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = path.metadata()?.file_type();
        // Checked before it is opened: opening a pipe would wait for a writer for ever.
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::other("neither a disk image nor a block device"));
        }
        let mut file = File::open(path)?;
        // The length in the metadata of a block device is zero; seeking finds its end.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            size,
            pages: PageCache::new(CACHE_SIZE).into(),
        })
    }

    /// Returns the file with `bytes` of memory for pages.
    #[must_use]
    pub fn with_cache(mut self, bytes: usize) -> Self {
        self.pages = PageCache::new(bytes).into();
        self
    }
}

impl BlockSource for DiskFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buffer.len())?;
        if buffer.is_empty() {
            return Ok(());
        }
        let mut pages = self.pages.lock();
        pages.read(&self.file, self.size, offset, buffer)
    }

    fn stats(&self) -> Stats {
        self.pages.lock().stats
    }
}

/// The cache of pages.
struct PageCache {
    cache: BlockCache,
    streams: Streams,
    /// Most pages read ahead: a part of the cache.
    max_ahead: u64,
    stats: Stats,
}

impl PageCache {
    fn new(cache: usize) -> Self {
        Self {
            cache: BlockCache::new(cache),
            streams: Streams::default(),
            max_ahead: (cache as u64 / PAGE / 4).min(MAX_PAGES / 2),
            stats: Stats::default(),
        }
    }

    /// Fills `buffer`, which is not empty and within the `size` bytes of `file`.
    fn read(&mut self, file: &File, size: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        let wanted = offset / PAGE..end.div_ceil(PAGE);
        let ahead = self
            .streams
            .read(wanted.start..=wanted.end - 1)
            .unwrap_or(0);
        let last = (wanted.end + ahead.min(self.max_ahead)).min(size.div_ceil(PAGE));
        let mut page = wanted.start;
        while page < wanted.end {
            if let Some(bytes) = self.cache.get(page) {
                copy(page * PAGE, &bytes, offset, buffer);
                page += 1;
                continue;
            }
            // All missing pages up to the next cached one, in one read.
            let known = (page + 1..last).find(|&next| self.cache.contains(next));
            let missing = page..known.unwrap_or(last).min(page + MAX_PAGES);
            let bytes = match self.load(file, size, missing.clone()) {
                // Pages read ahead may be damaged.
                Err(_) if missing.end > wanted.end => self.load(file, size, page..wanted.end)?,
                loaded => loaded?,
            };
            copy(page * PAGE, &bytes, offset, buffer);
            page += (bytes.len() as u64).div_ceil(PAGE);
        }
        Ok(())
    }

    /// Reads these pages into the cache.
    fn load(&mut self, file: &File, size: u64, pages: Range<u64>) -> io::Result<Vec<u8>> {
        let start = pages.start * PAGE;
        let length = (pages.end * PAGE).min(size) - start;
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, start)?;
        self.stats.blocks_read += 1;
        self.stats.bytes_read += length;
        for (page, bytes) in pages.zip(bytes.chunks(PAGE as usize)) {
            self.cache.put(page, bytes.into());
        }
        Ok(bytes)
    }
}

/// Copies the overlap of `bytes`, which begin at byte `start` of the disk, to `buffer`, which begins at `offset`.
fn copy(start: u64, bytes: &[u8], offset: u64, buffer: &mut [u8]) {
    let from = start.max(offset);
    let to = (start + bytes.len() as u64).min(offset + buffer.len() as u64);
    buffer[(from - offset) as usize..(to - offset) as usize]
        .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use tempfile::NamedTempFile;

    use super::*;

    /// Returns a file with bytes that depend on their place.
    fn file(size: usize) -> (NamedTempFile, Vec<u8>) {
        let bytes: Vec<u8> = (0..size).map(|at| (at / 251 + at) as u8).collect();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    proptest! {
        /// Reads return the contents of the file, in any order and with any cache.
        #[test]
        fn reads_what_is_there(
            reads in prop::collection::vec((0u64..100_000, 0usize..30_000), 1..40),
            cache in 0usize..100_000,
        ) {
            let (file, bytes) = file(100_001);
            let disk = DiskFile::open(file.path()).unwrap().with_cache(cache);
            for (offset, length) in reads {
                let mut buffer = vec![0; length];
                let result = disk.read_at(offset, &mut buffer);
                match bytes.get(offset as usize..offset as usize + length) {
                    Some(expected) => prop_assert!(result.is_ok() && buffer == expected),
                    None => prop_assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof),
                }
            }
        }
    }

    #[test]
    fn a_page_is_read_once() {
        let (file, _) = file(1 << 20);
        let disk = DiskFile::open(file.path()).unwrap();
        for offset in [0, 5000, 100, 4096, 8191] {
            disk.read_at(offset, &mut [0; 100]).unwrap();
        }
        // 8191 + 100 reaches into the third page.
        assert_eq!(
            (disk.stats().blocks_read, disk.stats().bytes_read),
            (3, 3 * PAGE)
        );
    }

    #[test]
    fn reads_in_sequence_take_few_calls_and_little_more_than_was_asked_for() {
        let (file, _) = file(8 << 20);
        let disk = DiskFile::open(file.path()).unwrap();
        let asked = 4 << 20;
        for offset in (0..asked).step_by(1024) {
            disk.read_at(offset, &mut [0; 1024]).unwrap();
        }
        let Stats {
            blocks_read,
            bytes_read,
            ..
        } = disk.stats();
        assert!(blocks_read < 60, "{blocks_read} calls");
        assert!(bytes_read <= asked + asked / 8, "{bytes_read} bytes");
    }

    #[test]
    fn what_is_no_disk_is_not_opened() {
        for path in ["/dev/null", "/"] {
            assert!(DiskFile::open(Path::new(path)).is_err(), "{path}");
        }
    }
}
