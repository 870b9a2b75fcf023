//! The blocks used last, within a limit of bytes.

use std::sync::Arc;

use lru::LruCache;

/// Bytes that a block takes beside its own: its key, its links, its slot in the table, and the allocator's headers.
const OVERHEAD: usize = 128;

/// An LRU cache that counts bytes where `lru` counts entries.
pub(super) struct BlockCache {
    limit: usize,
    used: usize,
    blocks: LruCache<u64, Arc<[u8]>>,
}

impl BlockCache {
    /// Returns an empty cache for `limit` bytes. At least one block is kept.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            blocks: LruCache::unbounded(),
        }
    }

    /// Returns the block, which is the newest from now on.
    pub(super) fn get(&mut self, key: u64) -> Option<Arc<[u8]>> {
        self.blocks.get(&key).map(Arc::clone)
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.blocks.contains(&key)
    }

    pub(super) fn put(&mut self, key: u64, block: Arc<[u8]>) {
        if let Some(replaced) = self.blocks.pop(&key) {
            self.used -= size(&replaced);
        }
        let size_of_block = size(&block);
        while self.used + size_of_block > self.limit
            && let Some((_, oldest)) = self.blocks.pop_lru()
        {
            self.used -= size(&oldest);
        }
        self.used += size_of_block;
        self.blocks.put(key, block);
    }
}

fn size(block: &[u8]) -> usize {
    block.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = 16;

    /// Returns a cache with room for `blocks` blocks.
    fn cache(blocks: usize) -> BlockCache {
        BlockCache::new(blocks * (BLOCK + OVERHEAD))
    }

    fn block(key: u64) -> Arc<[u8]> {
        [key as u8; BLOCK].into()
    }

    #[test]
    fn what_was_used_last_stays() {
        let mut cache = cache(2);
        cache.put(1, block(1));
        cache.put(2, block(2));
        assert!(cache.get(1).is_some());
        cache.put(3, block(3));
        assert_eq!(cache.get(1), Some(block(1)));
        assert_eq!(cache.get(2), None);
        assert_eq!(cache.get(3), Some(block(3)));
    }

    #[test]
    fn a_block_larger_than_the_limit_is_kept_alone() {
        let mut cache = BlockCache::new(1);
        cache.put(1, block(1));
        cache.put(2, block(2));
        assert!(!cache.contains(1) && cache.contains(2));
    }

    proptest! {
        /// Compares with a plain list: keys below 12, put or, by the flag, looked up.
        #[test]
        fn does_what_a_list_does(steps in prop::collection::vec((0u64..12, any::<bool>()), 0..200)) {
            let mut cache = cache(5);
            let mut list = VecDeque::new();
            for (key, look) in steps {
                let known = list.iter().position(|&other| other == key);
                if look {
                    prop_assert_eq!(cache.get(key), known.map(|_| block(key)));
                } else {
                    cache.put(key, block(key));
                }
                if let Some(known) = known {
                    list.remove(known);
                }
                if known.is_some() || !look {
                    list.push_back(key);
                }
                if list.len() > 5 {
                    list.pop_front();
                }
                for key in 0..12 {
                    prop_assert_eq!(cache.contains(key), list.contains(&key));
                }
                prop_assert!(cache.used <= cache.limit);
            }
        }
    }
}
