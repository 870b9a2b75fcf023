//! An EBS snapshot, read block by block through the EBS direct API.
//!
//! Only blocks that are read are fetched, 512 KiB each, several in parallel where a read spans several, each checked against its
//! SHA-256. Sequential reads are followed by fetches in the background. Blocks that were never written are not in the snapshot,
//! and read as zeros.

mod access;
mod api;
mod blocks;
mod listing;
#[cfg(test)]
mod tests;

pub use access::{SnapshotAccess, SnapshotRole, client};

use std::io;
use std::sync::Arc;

use aws_sdk_ebs::Client;
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use self::api::EbsApi;
use self::blocks::SnapshotBlocks;
use self::listing::Listing;
use super::readahead::Streams;
use super::{BlockSource, check_range};
use houndigrade_report::Stats;

/// Most blocks fetched at the same time.
const PARALLEL: usize = 32;

/// A completed EBS snapshot.
pub struct Snapshot {
    runtime: Handle,
    blocks: Arc<SnapshotBlocks>,
    streams: Mutex<Streams>,
    /// Bytes in a block.
    block_size: u64,
    /// Bytes in the volume.
    size: u64,
    parallel: usize,
    /// Most blocks read ahead. By the time the last of them is used, as many again are in the cache, and must not push it out.
    max_ahead: u64,
}

impl Snapshot {
    /// Opens the snapshot `id`. Cached and incoming blocks take up to `memory` bytes, but there is always room for two. Reads are made
    /// on the runtime of this call, from threads that are not its workers
    /// ([`spawn_blocking`](tokio::task::spawn_blocking)).
    ///
    /// # Errors
    /// If the EBS direct API refuses, can't be reached, or returns impossible sizes.
    pub async fn open(client: Client, id: &str, memory: usize) -> io::Result<Self> {
        let api = EbsApi::new(client, id);
        let (volume, page) = api.list(0).await.map_err(io::Error::other)?;
        let room = memory / volume.block_size;
        let parallel = (room / 2).clamp(1, PARALLEL);
        let kept = room.saturating_sub(parallel).max(1);
        let blocks = SnapshotBlocks::new(
            api,
            volume.block_size,
            Listing::new(page),
            parallel,
            memory.saturating_sub(parallel * volume.block_size),
        );
        Ok(Self {
            runtime: Handle::current(),
            blocks: blocks.into(),
            streams: Mutex::default(),
            block_size: volume.block_size as u64,
            size: volume.size,
            parallel,
            max_ahead: parallel.min((kept - 1) / 2) as u64,
        })
    }

    /// Fills `buffer`, which is not empty and within the volume.
    async fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), api::EbsError> {
        let size = self.block_size;
        let end = offset + buffer.len() as u64;
        let wanted = offset / size..end.div_ceil(size);
        let ahead = {
            let mut streams = self.streams.lock();
            let ahead = streams.read(wanted.start..=wanted.end - 1).unwrap_or(0);
            wanted.end..wanted.end + ahead.min(self.max_ahead)
        };
        let fill = async {
            let mut blocks = stream::iter(wanted)
                .map(|index| {
                    let block = Arc::clone(&self.blocks).get(index);
                    async move { Ok::<_, api::EbsError>((index, block.await?)) }
                })
                .buffered(self.parallel);
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
        };
        // Blocks needed now are fetched first.
        let (filled, ()) = futures::join!(fill, async { self.blocks.read_ahead(ahead) });
        filled
    }
}

impl BlockSource for Snapshot {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        check_range(self.size, offset, buffer.len())?;
        if buffer.is_empty() {
            return Ok(());
        }
        self.runtime
            .block_on(self.read(offset, buffer))
            .map_err(io::Error::other)
    }

    fn stats(&self) -> Stats {
        self.blocks.stats()
    }
}
