//! The partition as `lamxfs` reads it: with the log replayed, within a limit of bytes.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use lamxfs::{BlockRead, SuperblockReason};

use super::geometry::Geometry;
use super::overlay::LogOverlay;
use super::{FileSystemError, MAX_METADATA, damaged};
use crate::source::BlockSource;

pub(super) struct XfsVolume {
    partition: Arc<dyn BlockSource>,
    overlay: LogOverlay,
    log_start: u64,
    log_end: u64,
    /// Bytes left to read.
    allowed: Cell<usize>,
    failure: RefCell<Option<Failure>>,
}

/// The reason of a failed read, which `lamxfs` drops.
enum Failure {
    Read(io::Error),
    TooMuch,
}

impl XfsVolume {
    pub(super) fn new(
        partition: Arc<dyn BlockSource>,
        overlay: LogOverlay,
        geometry: &Geometry,
    ) -> Self {
        Self {
            partition,
            overlay,
            log_start: geometry.log_start,
            log_end: geometry.log_start + geometry.log_size,
            allowed: Cell::new(0),
            failure: RefCell::new(None),
        }
    }

    /// Allows `bytes` for the next call.
    pub(super) fn allow(&self, bytes: usize) {
        self.allowed.set(bytes);
        self.failure.replace(None);
    }

    /// Converts `error`, met at `path`.
    pub(super) fn explain(&self, path: &str, error: lamxfs::Error) -> FileSystemError {
        match (self.failure.take(), error) {
            (Some(Failure::Read(error)), _) => FileSystemError::Read(error),
            (Some(Failure::TooMuch), _) => FileSystemError::Limit {
                path: path.into(),
                limit: MAX_METADATA,
                of: "bytes of directories or maps of extents",
            },
            (None, lamxfs::Error::Io { offset, .. }) => damaged(format!(
                "{path}: it points to byte {offset}, beyond its end"
            )),
            (None, lamxfs::Error::BadSuperblock(SuperblockReason::RealtimeDevice)) => {
                FileSystemError::Unsupported("xfs with a realtime device")
            }
            (None, error) => damaged(format!("{path}: {}", error.token())),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Option<Failure>> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.partition.size() {
            return Err(None);
        }
        let Some(allowed) = self.allowed.get().checked_sub(buffer.len()) else {
            return Err(Some(Failure::TooMuch));
        };
        self.allowed.set(allowed);
        // A log of zeros has nothing to replay.
        if offset >= self.log_start && end <= self.log_end {
            buffer.fill(0);
            return Ok(());
        }
        self.partition
            .read_at(offset, buffer)
            .map_err(|error| Some(Failure::Read(error)))?;
        self.overlay.patch(offset, buffer);
        Ok(())
    }
}

/// The volume as `lamxfs` owns it.
pub(super) struct Reader(pub(super) Rc<XfsVolume>);

impl BlockRead for Reader {
    type Error = ();

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), ()> {
        self.0.read_at(offset, buffer).map_err(|failure| {
            self.0.failure.replace(failure);
        })
    }
}
