//! One partition of a disk, seen as a disk.

use std::io;
use std::sync::Arc;

use super::{BlockSource, check_range};
use houndigrade_report::Stats;

/// `size` bytes of another source, from `start`.
#[derive(Clone)]
pub struct SourceWindow {
    source: Arc<dyn BlockSource>,
    start: u64,
    size: u64,
}

impl SourceWindow {
    /// Returns the window from byte `start`, `size` bytes long, or shorter where the source ends before.
    pub fn new(source: Arc<dyn BlockSource>, start: u64, size: u64) -> Self {
        let size = size.min(source.size().saturating_sub(start));
        Self {
            source,
            start,
            size,
        }
    }
}

impl BlockSource for SourceWindow {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buffer.len())?;
        self.source.read_at(self.start + offset, buffer)
    }

    fn stats(&self) -> Stats {
        self.source.stats()
    }
}
