//! The blocks read last, within a limit of bytes.

use std::collections::HashMap;
use std::sync::Arc;

/// What a block takes beside its bytes: its slot, its key, and what the allocator keeps about it.
const OVERHEAD: usize = 128;
/// Where the list begins and ends: a slot that holds no block.
const ENDS: usize = 0;

/// The block not used for the longest time goes first. Every operation takes the same time however many there are.
pub(super) struct Cache {
    limit: usize,
    used: usize,
    places: HashMap<u64, usize>,
    /// A ring: the newest block follows [`ENDS`], the oldest precedes it.
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Slot {
    key: u64,
    block: Arc<[u8]>,
    newer: usize,
    older: usize,
}

impl Cache {
    /// Room for `limit` bytes; at least one block is kept.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            places: HashMap::new(),
            slots: vec![Slot::default()],
            free: Vec::new(),
        }
    }

    /// The block, which is the newest from now on.
    pub(super) fn get(&mut self, key: u64) -> Option<Arc<[u8]>> {
        let place = *self.places.get(&key)?;
        self.unlink(place);
        self.link(place);
        Some(Arc::clone(&self.slots[place].block))
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        self.places.contains_key(&key)
    }

    pub(super) fn put(&mut self, key: u64, block: Arc<[u8]>) {
        if let Some(&place) = self.places.get(&key) {
            self.remove(place);
        }
        self.used += block.len() + OVERHEAD;
        while self.used > self.limit && !self.places.is_empty() {
            self.remove(self.slots[ENDS].newer);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[place].key = key;
        self.slots[place].block = block;
        self.places.insert(key, place);
        self.link(place);
    }

    fn remove(&mut self, place: usize) {
        self.unlink(place);
        let Slot { key, block, .. } = std::mem::take(&mut self.slots[place]);
        self.used -= block.len() + OVERHEAD;
        self.places.remove(&key);
        self.free.push(place);
    }

    /// Puts the slot where the newest belongs.
    fn link(&mut self, place: usize) {
        let second = self.slots[ENDS].older;
        self.slots[place].newer = ENDS;
        self.slots[place].older = second;
        self.slots[second].newer = place;
        self.slots[ENDS].older = place;
    }

    fn unlink(&mut self, place: usize) {
        let Slot { newer, older, .. } = self.slots[place];
        self.slots[newer].older = older;
        self.slots[older].newer = newer;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = 16;

    /// Room for `blocks` blocks.
    fn cache(blocks: usize) -> Cache {
        Cache::new(blocks * (BLOCK + OVERHEAD))
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
        let mut cache = Cache::new(1);
        cache.put(1, block(1));
        cache.put(2, block(2));
        assert!(!cache.contains(1) && cache.contains(2));
    }

    proptest! {
        /// Against the plainest list there is: keys below 12, put (or, if the flag says so, only looked for).
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
