//! Input types of several fuzz targets.

mod patched;

pub use patched::{Patched, walk};

use std::io;

use houndigrade::filesystem::{FileSystemError, OpenFile};
use houndigrade::report::Stats;
use houndigrade::rpm::{self, DatabaseFormat};
use houndigrade::source::BlockSource;

/// The input as a disk: its bytes, and zeros behind them up to 1 GiB, so that offsets of real disks lead somewhere.
pub struct InputDisk(Vec<u8>);

impl InputDisk {
    /// Returns the disk that begins with `data`.
    pub fn new(data: &[u8]) -> Self {
        Self(data.to_vec())
    }
}

impl BlockSource for InputDisk {
    fn size(&self) -> u64 {
        1 << 30
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.0.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        buffer[length..].fill(0);
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// A file that is all of the input.
pub struct Bytes<'a>(pub &'a [u8]);

impl OpenFile for Bytes<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.0.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Reads a database of packages as an inspection does.
pub fn read_packages(format: DatabaseFormat, file: Bytes<'_>, wal: Option<Bytes<'_>>) {
    let wal = wal.map(|wal| Box::new(wal) as Box<dyn OpenFile>);
    let Ok(packages) = rpm::packages(format, Box::new(file), wal) else {
        return;
    };
    for package in packages {
        if package.is_err_and(|error| error.is_final()) {
            break;
        }
    }
}
