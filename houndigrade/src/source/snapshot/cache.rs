//! The blocks read last.

use std::collections::VecDeque;
use std::sync::Arc;

/// So many blocks; the one not used for the longest time goes first. They are few enough to look through.
pub(super) struct Cache {
    limit: usize,
    /// The one used last is at the back.
    blocks: VecDeque<(u64, Arc<[u8]>)>,
}

impl Cache {
    /// Room for `limit` blocks, at least one.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            blocks: VecDeque::new(),
        }
    }

    pub(super) fn get(&mut self, index: u64) -> Option<Arc<[u8]>> {
        let position = self
            .blocks
            .iter()
            .position(|(cached, _)| *cached == index)?;
        let found = self.blocks.remove(position)?;
        let block = Arc::clone(&found.1);
        self.blocks.push_back(found);
        Some(block)
    }

    pub(super) fn put(&mut self, index: u64, block: Arc<[u8]>) {
        if self.blocks.len() >= self.limit {
            self.blocks.pop_front();
        }
        self.blocks.push_back((index, block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut cache = Cache::new(2);
        cache.put(1, [1].into());
        cache.put(2, [2].into());
        assert!(cache.get(1).is_some());
        cache.put(3, [3].into());
        assert_eq!(cache.get(1).as_deref(), Some(&[1][..]));
        assert_eq!(cache.get(2), None);
        assert_eq!(cache.get(3).as_deref(), Some(&[3][..]));
    }
}
