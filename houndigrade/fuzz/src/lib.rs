//! What the fuzz targets share.

mod patched;

pub use patched::{Patched, walk};

use std::io;

use houndigrade::report::Stats;
use houndigrade::source::BlockSource;

/// The input as a disk: its bytes, and zeros behind them up to 1 GiB, so that offsets of real disks lead somewhere.
pub struct Disk(Vec<u8>);

impl Disk {
    /// The disk that begins with `data`.
    pub fn new(data: &[u8]) -> Self {
        Self(data.to_vec())
    }
}

impl BlockSource for Disk {
    fn size(&self) -> u64 {
        1 << 30
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        buffer[length..].fill(0);
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
