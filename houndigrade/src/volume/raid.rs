//! The good copies of a RAID 1: the kernel keeps a superblock beside each.

use crate::bytes::{array, le32, le64};
use crate::source::BlockSource;

/// The kernel's mark of a complete copy.
const COMPLETE: u64 = u64::MAX;

/// A superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RaidState {
    /// Number of changes of the array's state.
    events: u64,
    /// A bit for each failed copy.
    failed: u64,
    /// The sector up to which this copy was rebuilt.
    rebuilt: u64,
}

/// Reads the superblock at the beginning of `volume`. `None` if it can't be read or was never written.
pub(super) fn state(volume: &dyn BlockSource) -> Option<RaidState> {
    let mut sector = [0; 512];
    volume.read_at(0, &mut sector).ok()?;
    (array(&sector, 0)? == *b"DmRd" && le32(&sector, 8)? > 0).then_some(())?;
    Some(RaidState {
        events: le64(&sector, 16)?,
        failed: le64(&sector, 24)?,
        rebuilt: le64(&sector, 32)?,
    })
}

/// Returns the positions of the complete copies. Without any superblock the array was never started: all are.
pub(super) fn in_sync(states: &[Option<RaidState>]) -> Vec<usize> {
    let newest = states.iter().flatten().max_by_key(|state| state.events);
    let good = |position: usize, state: &Option<RaidState>| match (state, newest) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(state), Some(newest)) => {
            let failed = newest.failed.checked_shr(position as u32).unwrap_or(0) & 1 == 1;
            // The superblocks are written one after the other: one that is behind by one is not stale.
            state.rebuilt == COMPLETE && !failed && state.events.saturating_add(1) >= newest.events
        }
    };
    let positions = states.iter().enumerate();
    positions
        .filter(|(position, state)| good(*position, state))
        .map(|(position, _)| position)
        .collect()
}
