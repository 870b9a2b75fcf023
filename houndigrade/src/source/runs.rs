//! Which reads follow one another, and how far to read ahead of them.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Files that are read at the same time, or a file and what its file system looks up on the way.
const RUNS: usize = 8;
/// One more block is read ahead for every so many read in sequence: no more than this part is ever read in vain.
const PER_BLOCK_AHEAD: u64 = 8;

/// Reads in sequence, seen as numbers of blocks.
#[derive(Default)]
pub(super) struct Runs(VecDeque<Run>);

/// Blocks read one after the other.
struct Run {
    next: u64,
    /// Blocks that continued the run: its first read says nothing yet.
    length: u64,
}

impl Runs {
    /// Takes note of a read of `blocks`. Returns how many blocks after them are worth having, unless these were in the run already.
    pub(super) fn read(&mut self, blocks: RangeInclusive<u64>) -> Option<u64> {
        let (first, next) = (*blocks.start(), blocks.end().saturating_add(1));
        // A run's last block may be read in several parts.
        let known = self
            .0
            .iter()
            .position(|run| run.next == first || run.next.checked_sub(1) == Some(first));
        let Some(mut run) = known.and_then(|known| self.0.remove(known)) else {
            self.0.truncate(RUNS - 1);
            self.0.push_front(Run { next, length: 0 });
            return None;
        };
        let new = next.saturating_sub(run.next);
        run.length += new;
        run.next = run.next.max(next);
        let ahead = run.length / PER_BLOCK_AHEAD;
        self.0.push_front(run);
        (new > 0).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_a_run_the_more_is_read_ahead() {
        let mut runs = Runs::default();
        let ahead: Vec<_> = (100..120).map(|block| runs.read(block..=block)).collect();
        assert_eq!(ahead[0], None);
        assert_eq!(ahead[1..8], [Some(0); 7]);
        assert_eq!(ahead[8..16], [Some(1); 8]);
        assert_eq!(ahead[16], Some(2));
        assert_eq!(runs.read(120..=219), Some(14));
    }

    #[test]
    fn the_same_block_again_is_no_progress() {
        let mut runs = Runs::default();
        runs.read(5..=5);
        runs.read(6..=30);
        assert_eq!(runs.read(30..=30), None);
        assert_eq!(runs.read(30..=31), Some(3));
    }

    #[test]
    fn runs_are_told_apart() {
        let mut runs = Runs::default();
        for block in 0..16 {
            assert_eq!(runs.read(7..=7), None);
            let ahead = [
                runs.read(100 + block..=100 + block),
                runs.read(900 + block..=900 + block),
            ];
            assert_eq!(ahead, [(block > 0).then_some(block / 8); 2]);
        }
    }

    #[test]
    fn reads_here_and_there_are_no_run() {
        let mut runs = Runs::default();
        for read in 0..100 {
            assert_eq!(runs.read(read * 7..=read * 7 + 3), None);
        }
        assert_eq!(runs.0.len(), RUNS);
        assert_eq!(runs.read(u64::MAX..=u64::MAX), None);
    }
}
