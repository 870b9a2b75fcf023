//! A disk image in a file, or a block device.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{BlockSource, beyond_the_end, contains};
use crate::report::Stats;

/// An image file or a block device, opened read-only.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    size: u64,
    reads: AtomicU64,
    bytes: AtomicU64,
}

impl DiskFile {
    /// Opens the file or device at `path`.
    ///
    /// # Errors
    /// If it can't be opened, or is neither a regular file nor a block device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let kind = path.metadata()?.file_type();
        // Looked at before it is opened: opening a pipe would wait for a writer for ever.
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::other("neither a disk image nor a block device"));
        }
        let mut file = File::open(path)?;
        // The length in the metadata of a block device is zero; its end is where seeking ends.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            size,
            reads: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }
}

impl BlockSource for DiskFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if !contains(self.size, offset, buffer.len()) {
            return Err(beyond_the_end(offset, buffer.len(), self.size));
        }
        self.file.read_exact_at(buffer, offset)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats {
            blocks_read: self.reads.load(Ordering::Relaxed),
            bytes_read: self.bytes.load(Ordering::Relaxed),
            ..Stats::default()
        }
    }
}
