//! A logical volume as a disk: runs of bytes in several places.

use std::io;
use std::sync::Arc;

use crate::source::{BlockSource, beyond_the_end, check_range};
use houndigrade_report::Stats;

/// A place of bytes on a device.
#[derive(Clone)]
pub(super) struct DeviceRange {
    pub(super) source: Arc<dyn BlockSource>,
    /// Offset of the first byte.
    pub(super) offset: u64,
}

/// The contents of a run.
pub(super) enum Target {
    /// One place.
    Linear(DeviceRange),
    /// Places in turns of `chunk` bytes; `chunk` is not 0, and there is at least one place.
    Striped {
        places: Vec<DeviceRange>,
        chunk: u64,
    },
    /// Zeros.
    Zero,
}

/// A volume of adjacent runs.
#[derive(Default)]
pub(super) struct Mapping {
    /// The end of each run, and the run.
    runs: Vec<(u64, Target)>,
}

impl Mapping {
    /// Adds `size` bytes at the end. `None` if the sum is larger than a disk can be.
    pub(super) fn push(&mut self, size: u64, target: Target) -> Option<()> {
        let end = self.size().checked_add(size)?;
        self.runs.push((end, target));
        Some(())
    }

    /// Reads the beginning of `buffer`, up to the end of one piece, and returns the bytes read.
    fn read_piece(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let index = self.runs.partition_point(|(end, _)| *end <= offset);
        let beyond = || beyond_the_end(offset, buffer.len(), self.size());
        let (end, target) = self.runs.get(index).ok_or_else(beyond)?;
        let start = index.checked_sub(1).map_or(0, |before| self.runs[before].0);
        let (within, left) = (offset - start, end - offset);
        match target {
            Target::Linear(place) => {
                let piece = cut(buffer, left);
                place.read(within, piece)?;
                Ok(piece.len())
            }
            Target::Striped { places, chunk } => {
                let (number, rest) = (within / chunk, within % chunk);
                let stripes = places.len() as u64;
                let turn = usize::try_from(number % stripes).map_err(io::Error::other)?;
                let piece = cut(buffer, left.min(chunk - rest));
                places[turn].read(
                    (number / stripes)
                        .saturating_mul(*chunk)
                        .saturating_add(rest),
                    piece,
                )?;
                Ok(piece.len())
            }
            Target::Zero => {
                let piece = cut(buffer, left);
                piece.fill(0);
                Ok(piece.len())
            }
        }
    }
}

impl BlockSource for Mapping {
    fn size(&self) -> u64 {
        self.runs.last().map_or(0, |(end, _)| *end)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size(), offset, buffer.len())?;
        let mut done = 0;
        while done < buffer.len() {
            done += self.read_piece(offset + done as u64, &mut buffer[done..])?;
        }
        Ok(())
    }

    /// Returns zeros: the disks below count the reads.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

impl DeviceRange {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.source
            .read_at(self.offset.saturating_add(offset), buffer)
    }
}

/// Returns the beginning of `buffer`, of at most `limit` bytes.
fn cut(buffer: &mut [u8], limit: u64) -> &mut [u8] {
    let length = usize::try_from(limit).map_or(buffer.len(), |limit| limit.min(buffer.len()));
    &mut buffer[..length]
}
