//! The list of a snapshot's blocks, by pages, on demand: a large volume has millions of blocks.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

/// Most pages in memory; a page has up to 10 000 tokens of about 100 bytes, for up to 5 GiB of blocks.
const PAGES: usize = 8;

/// A part of the list.
#[derive(Debug)]
pub(super) struct ListingPage {
    /// The range of blocks in the page.
    pub(super) covers: RangeInclusive<u64>,
    /// The blocks that exist, with their tokens.
    pub(super) tokens: BTreeMap<u64, String>,
}

/// The pages in memory.
pub(super) struct Listing(VecDeque<ListingPage>);

impl Listing {
    pub(super) fn new(page: ListingPage) -> Self {
        Self([page].into())
    }

    pub(super) fn add(&mut self, page: ListingPage) {
        if self.0.len() >= PAGES {
            self.0.pop_front();
        }
        self.0.push_back(page);
    }

    /// Drops the page with the block; returns the first block of the page.
    pub(super) fn forget(&mut self, index: u64) -> Option<u64> {
        let position = self
            .0
            .iter()
            .position(|page| page.covers.contains(&index))?;
        let page = self.0.remove(position)?;
        Some(*page.covers.start())
    }

    /// Returns whether the block's page is in memory.
    pub(super) fn covers(&self, index: u64) -> bool {
        self.page(index).is_some()
    }

    /// Returns the token of the block, if it exists.
    pub(super) fn token(&self, index: u64) -> Option<String> {
        self.page(index)?.tokens.get(&index).cloned()
    }

    fn page(&self, index: u64) -> Option<&ListingPage> {
        self.0.iter().find(|page| page.covers.contains(&index))
    }
}
