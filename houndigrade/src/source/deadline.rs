//! A source with a time limit, which ends any reader that follows a hostile disk in circles.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::BlockSource;
use houndigrade_report::Stats;

/// Another source, until `until`.
pub struct Deadline {
    source: Arc<dyn BlockSource>,
    until: Instant,
}

impl Deadline {
    /// Passes reads on to `source` before `until`, and refuses them from then on.
    pub fn new(source: Arc<dyn BlockSource>, until: Instant) -> Self {
        Self { source, until }
    }
}

impl BlockSource for Deadline {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if Instant::now() >= self.until {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the time limit of the inspection is over",
            ));
        }
        self.source.read_at(offset, buffer)
    }

    fn stats(&self) -> Stats {
        self.source.stats()
    }
}
