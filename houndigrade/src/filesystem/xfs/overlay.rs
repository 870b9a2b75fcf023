//! Sectors with the log replayed, over those on the disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::ops::Range;

use crate::source::BlockSource;

/// Bytes in a sector, the unit and address of changes in the log.
pub(super) const SECTOR: usize = 512;

/// Changed sectors by their number.
#[derive(Default)]
pub(super) struct LogOverlay(BTreeMap<u64, Box<[u8; SECTOR]>>);

impl LogOverlay {
    /// Returns the bytes held.
    pub(super) fn size(&self) -> usize {
        self.0.len() * SECTOR
    }

    /// Returns whether the byte at `offset` is held.
    pub(super) fn holds(&self, offset: u64) -> bool {
        self.0.contains_key(&(offset / SECTOR as u64))
    }

    /// Returns whether any byte of `range` is held.
    pub(super) fn has_any(&self, range: Range<u64>) -> bool {
        self.0.range(sectors(range)).next().is_some()
    }

    /// Replaces the held bytes in `buffer`, which was read at `offset`.
    pub(super) fn patch(&self, offset: u64, buffer: &mut [u8]) {
        let end = offset.saturating_add(buffer.len() as u64);
        for (&sector, bytes) in self.0.range(sectors(offset..end)) {
            let start = sector * SECTOR as u64;
            let (from, to) = (start.max(offset), (start + SECTOR as u64).min(end));
            buffer[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
        }
    }

    /// Holds `bytes` for `offset`. The rest of their sectors comes from the disk, unless it is held.
    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        disk: &dyn BlockSource,
    ) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        for sector in sectors(offset..end) {
            let start = sector * SECTOR as u64;
            let (from, to) = (start.max(offset), (start + SECTOR as u64).min(end));
            let held = match self.0.entry(sector) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(free) => {
                    let mut held = Box::new([0; SECTOR]);
                    if to - from < SECTOR as u64 {
                        disk.read_at(start, &mut held[..])?;
                    }
                    free.insert(held)
                }
            };
            held[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
        }
        Ok(())
    }

    /// Drops all of `range`.
    pub(super) fn forget(&mut self, range: Range<u64>) {
        let held: Vec<u64> = self
            .0
            .range(sectors(range))
            .map(|(&sector, _)| sector)
            .collect();
        for sector in held {
            self.0.remove(&sector);
        }
    }
}

fn sectors(bytes: Range<u64>) -> Range<u64> {
    let first = bytes.start / SECTOR as u64;
    first..bytes.end.div_ceil(SECTOR as u64).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_disks::MemoryDisk;

    #[test]
    fn bytes_across_sectors_are_held_and_their_neighbours_kept() {
        let disk = MemoryDisk((0..2048).map(|at| (at / 512) as u8).collect());
        let mut overlay = LogOverlay::default();
        overlay.write(510, &[9; 516], &disk).unwrap();
        assert_eq!(overlay.size(), 3 * SECTOR);

        let mut buffer = [7; 600];
        overlay.patch(500, &mut buffer);
        assert_eq!(buffer[..10], [0; 10]);
        assert_eq!(buffer[10..526], [9; 516]);
        assert_eq!(buffer[526..], [2; 74]);

        overlay.forget(512..1024);
        assert!(overlay.holds(511) && !overlay.holds(512) && overlay.holds(1024));
    }
}
