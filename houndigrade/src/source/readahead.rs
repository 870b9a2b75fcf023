//! Read-ahead: recognises sequential reads, and decides how many blocks to fetch ahead of them.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Streams remembered: files that are read at the same time, or a file and the metadata read on the way.
const MAX_STREAMS: usize = 8;
/// One more block is read ahead for every so many read in sequence: at most one in eight is read in vain.
const PER_BLOCK_AHEAD: u64 = 8;

/// Sequential reads, by the numbers of their blocks; the latest first.
#[derive(Default)]
pub(super) struct Streams(VecDeque<Stream>);

/// Blocks read one after the other.
struct Stream {
    next: u64,
    /// Blocks that continued the stream; its first read does not count.
    length: u64,
}

impl Streams {
    /// Records a read of `blocks`. Returns how many blocks to read ahead; `None` if the read did not advance a stream.
    pub(super) fn read(&mut self, blocks: RangeInclusive<u64>) -> Option<u64> {
        let (first, next) = (*blocks.start(), blocks.end().saturating_add(1));
        // The last block of a stream may be read in several parts.
        let known = self
            .0
            .iter()
            .position(|stream| stream.next == first || stream.next.checked_sub(1) == Some(first));
        let Some(mut stream) = known.and_then(|known| self.0.remove(known)) else {
            self.0.truncate(MAX_STREAMS - 1);
            self.0.push_front(Stream { next, length: 0 });
            return None;
        };
        let new = next.saturating_sub(stream.next);
        stream.length += new;
        stream.next = stream.next.max(next);
        let ahead = stream.length / PER_BLOCK_AHEAD;
        self.0.push_front(stream);
        (new > 0).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_a_stream_the_more_is_read_ahead() {
        let mut streams = Streams::default();
        let ahead: Vec<_> = (100..120)
            .map(|block| streams.read(block..=block))
            .collect();
        assert_eq!(ahead[0], None);
        assert_eq!(ahead[1..8], [Some(0); 7]);
        assert_eq!(ahead[8..16], [Some(1); 8]);
        assert_eq!(ahead[16], Some(2));
        assert_eq!(streams.read(120..=219), Some(14));
    }

    #[test]
    fn the_same_block_again_is_no_progress() {
        let mut streams = Streams::default();
        streams.read(5..=5);
        streams.read(6..=30);
        assert_eq!(streams.read(30..=30), None);
        assert_eq!(streams.read(30..=31), Some(3));
    }

    #[test]
    fn streams_are_told_apart() {
        let mut streams = Streams::default();
        for block in 0..16 {
            assert_eq!(streams.read(7..=7), None);
            let ahead = [
                streams.read(100 + block..=100 + block),
                streams.read(900 + block..=900 + block),
            ];
            assert_eq!(ahead, [(block > 0).then_some(block / 8); 2]);
        }
    }

    #[test]
    fn reads_here_and_there_are_no_stream() {
        let mut streams = Streams::default();
        for read in 0..100 {
            assert_eq!(streams.read(read * 7..=read * 7 + 3), None);
        }
        assert_eq!(streams.0.len(), MAX_STREAMS);
        assert_eq!(streams.read(u64::MAX..=u64::MAX), None);
    }
}
