//! Blocks from the cache, from a running fetch, or by a new one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::api::{EbsApi, EbsError};
use super::listing::Listing;
use crate::source::cache::BlockCache;
use houndigrade_report::Stats;

pub(super) type Block = Arc<[u8]>;

/// A fetch for any number of waiters, none included.
type Fetch = Shared<BoxFuture<'static, Result<Block, EbsError>>>;

/// The blocks of a snapshot.
pub(super) struct SnapshotBlocks {
    api: EbsApi,
    /// Bytes in a block.
    size: usize,
    listing: tokio::sync::Mutex<Listing>,
    /// One for each parallel fetch.
    permits: Semaphore,
    known: Mutex<BlockState>,
    fetched: AtomicU64,
}

struct BlockState {
    cache: BlockCache,
    coming: HashMap<u64, Fetch>,
}

impl SnapshotBlocks {
    /// Returns the blocks of `size` bytes in `listing`. Up to `parallel` are fetched at the same time, and `cache` bytes of them are
    /// cached.
    pub(super) fn new(
        api: EbsApi,
        size: usize,
        listing: Listing,
        parallel: usize,
        cache: usize,
    ) -> Self {
        Self {
            api,
            size,
            listing: listing.into(),
            permits: Semaphore::new(parallel),
            known: Mutex::new(BlockState {
                cache: BlockCache::new(cache),
                coming: HashMap::new(),
            }),
            fetched: AtomicU64::new(0),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let blocks = self.fetched.load(Ordering::Relaxed);
        Stats {
            blocks_read: blocks,
            bytes_read: blocks * self.size as u64,
            ..Stats::default()
        }
    }

    /// Returns the block; `None` if the snapshot has none at this place.
    pub(super) async fn get(self: Arc<Self>, index: u64) -> Result<Option<Block>, EbsError> {
        let kept = self.known.lock().cache.get(index);
        if kept.is_some() {
            return Ok(kept);
        }
        match self.token(index).await? {
            Some(token) => Ok(Some(self.fetch(index, token).await?)),
            None => Ok(None),
        }
    }

    /// Starts to fetch blocks that are likely to be read soon, as far as the list of them is known.
    pub(super) fn read_ahead(self: &Arc<Self>, blocks: Range<u64>) {
        let Ok(listing) = self.listing.try_lock() else {
            return;
        };
        for index in blocks {
            let kept = self.known.lock().cache.contains(index);
            if let (false, Some(token)) = (kept, listing.token(index)) {
                // The task goes on without a waiter.
                drop(self.fetch(index, token));
            }
        }
    }

    /// Returns the token of the block. The lock is held while a page is listed, so that others wait for the page.
    async fn token(&self, index: u64) -> Result<Option<String>, EbsError> {
        let mut listing = self.listing.lock().await;
        if !listing.covers(index) {
            let (_, page) = self.api.list(index).await?;
            listing.add(page);
        }
        Ok(listing.token(index))
    }

    fn fetch(self: &Arc<Self>, index: u64, token: String) -> Fetch {
        let mut known = self.known.lock();
        if let Some(block) = known.cache.get(index) {
            return async { Ok(block) }.boxed().shared();
        }
        if let Some(fetch) = known.coming.get(&index) {
            return fetch.clone();
        }
        let task = tokio::spawn(Arc::clone(self).fetch_and_keep(index, token));
        let failed = move |error| EbsError::Block {
            index,
            why: format!("{error}"),
        };
        let fetch = async move { task.await.map_err(failed)? }.boxed().shared();
        known.coming.insert(index, fetch.clone());
        fetch
    }

    async fn fetch_and_keep(self: Arc<Self>, index: u64, token: String) -> Result<Block, EbsError> {
        let _permit = self.permits.acquire().await;
        let fetched = self.fetch_with_valid_token(index, token).await;
        let mut known = self.known.lock();
        known.coming.remove(&index);
        let block: Block = fetched?.into();
        self.fetched.fetch_add(1, Ordering::Relaxed);
        known.cache.put(index, Arc::clone(&block));
        Ok(block)
    }

    /// Gets a block. Tokens expire: a refused one is replaced by a new list's, once.
    async fn fetch_with_valid_token(&self, index: u64, token: String) -> Result<Vec<u8>, EbsError> {
        let refused = match self.api.get(index, &token, self.size).await {
            Err(refused @ EbsError::Token { .. }) => refused,
            result => return result,
        };
        {
            let mut listing = self.listing.lock().await;
            // Another block of the page may have been first. The page is listed from its own beginning: from this block on, those before
            // it would need a page of their own.
            if listing.token(index).as_ref() == Some(&token)
                && let Some(first) = listing.forget(index)
            {
                let (_, page) = self.api.list(first).await?;
                listing.add(page);
            }
        }
        match self.token(index).await? {
            Some(token) => self.api.get(index, &token, self.size).await,
            None => Err(refused),
        }
    }
}
