//! An EBS snapshot, read block by block through the EBS direct API.
//!
//! Only what is asked for is fetched: a block of 512 KiB at a time, several in parallel where a read spans several, each
//! checked against its SHA-256. Blocks that were never written are not in the snapshot, and read as zeros.

mod api;
mod cache;
mod listing;
#[cfg(test)]
mod tests;

pub use api::client;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ebs::Client;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use self::api::Api;
use self::cache::Cache;
use self::listing::Listing;
use super::{BlockSource, beyond_the_end, contains};
use crate::report::Stats;

/// Blocks fetched at the same time.
const PARALLEL: usize = 32;
/// Bytes of blocks kept in memory.
const CACHE_SIZE: usize = 64 * 1024 * 1024;

/// A completed EBS snapshot.
pub struct Snapshot {
    api: Api,
    runtime: Handle,
    /// Bytes in a block.
    block_size: usize,
    /// Bytes in the volume.
    size: u64,
    listing: tokio::sync::Mutex<Listing>,
    cache: Mutex<Cache>,
    blocks: AtomicU64,
    bytes: AtomicU64,
}

impl Snapshot {
    /// Opens the snapshot `id`, and asks for its size. Reads are made on the runtime this is called on, from threads that
    /// are not its workers ([`spawn_blocking`](tokio::task::spawn_blocking)).
    ///
    /// # Errors
    /// If the EBS direct API refuses, can't be reached, or answers what makes no sense.
    pub async fn open(client: Client, id: &str) -> io::Result<Self> {
        let api = Api::new(client, id);
        let (volume, page) = api.list(0).await.map_err(io::Error::other)?;
        Ok(Self {
            runtime: Handle::current(),
            block_size: volume.block_size,
            size: volume.size,
            listing: Listing::new(page).into(),
            cache: Cache::new(CACHE_SIZE / volume.block_size).into(),
            blocks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            api,
        })
    }

    async fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), api::Error> {
        let size = self.block_size as u64;
        let end = offset + buffer.len() as u64;
        let mut blocks = stream::iter(offset / size..end.div_ceil(size))
            .map(|index| async move { Ok::<_, api::Error>((index, self.block(index).await?)) })
            .buffered(PARALLEL);
        while let Some((index, block)) = blocks.try_next().await? {
            let block_start = index * size;
            let (from, to) = (offset.max(block_start), end.min(block_start + size));
            let part = &mut buffer[(from - offset) as usize..(to - offset) as usize];
            match block {
                Some(block) => part.copy_from_slice(
                    &block[(from - block_start) as usize..(to - block_start) as usize],
                ),
                None => part.fill(0),
            }
        }
        Ok(())
    }

    /// The block, or `None` if the snapshot has none at this place.
    async fn block(&self, index: u64) -> Result<Option<Arc<[u8]>>, api::Error> {
        if let Some(block) = self.cache().get(index) {
            return Ok(Some(block));
        }
        let Some(token) = self.token(index).await? else {
            return Ok(None);
        };
        let block: Arc<[u8]> = self.api.get(index, &token, self.block_size).await?.into();
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(block.len() as u64, Ordering::Relaxed);
        self.cache().put(index, Arc::clone(&block));
        Ok(Some(block))
    }

    /// The token that fetches the block. The lock is held while a page is listed: who else needs it waits for it.
    async fn token(&self, index: u64) -> Result<Option<String>, api::Error> {
        let mut listing = self.listing.lock().await;
        if !listing.covers(index) {
            let (_, page) = self.api.list(index).await?;
            listing.add(page);
        }
        Ok(listing.token(index))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockSource for Snapshot {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if !contains(self.size, offset, buffer.len()) {
            return Err(beyond_the_end(offset, buffer.len(), self.size));
        }
        self.runtime
            .block_on(self.read(offset, buffer))
            .map_err(io::Error::other)
    }

    fn stats(&self) -> Stats {
        Stats {
            blocks_read: self.blocks.load(Ordering::Relaxed),
            bytes_read: self.bytes.load(Ordering::Relaxed),
            ..Stats::default()
        }
    }
}
