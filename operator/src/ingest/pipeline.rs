//! The way of every log file, whichever source names it: a message of the queue, a dead letter, a folder, a bucket.

use futures::{Stream, StreamExt, future, stream};
use tokio::sync::mpsc;

use super::committer::{self, FileResult};
use super::file::{self, FileError, ObjectLocation, Recipients};
use crate::telemetry::Metrics;
use cloudigrade_cloud::Objects;
use cloudigrade_store::{Pool, StoreError};

/// Reads files and commits them in groups.
#[derive(Debug)]
pub(crate) struct Pipeline<'a, O> {
    pub(crate) pool: &'a Pool,
    pub(crate) metrics: &'a Metrics,
    pub(crate) objects: &'a O,
    pub(crate) accounts: &'a Recipients,
    /// Files read at the same time; each may hold an object in memory
    pub(crate) parallel_reads: usize,
}

impl<'a, O: Objects> Pipeline<'a, O> {
    /// Ingests files, each with a tag of its source. Returns the results of one transaction at a time; nothing goes on
    /// while the stream is not polled.
    ///
    /// # Errors
    /// When the database does not do its work; the stream is of no use then. A file's own failure is its result.
    pub(crate) fn run<T: Send + 'a>(
        self,
        files: impl Stream<Item = (T, Result<ObjectLocation, FileError>)> + Send + 'a,
    ) -> impl Stream<Item = Result<Vec<(T, FileResult)>, StoreError>> + Send + 'a {
        let Self {
            pool,
            metrics,
            objects,
            accounts,
            parallel_reads,
        } = self;
        // Bounded, so that files read do not pile up while the database is busy.
        let (sender, receiver) = mpsc::channel(parallel_reads);
        let reading = files.for_each_concurrent(parallel_reads, move |(tag, location)| {
            let sender = sender.clone();
            async move {
                let read = match location {
                    Ok(location) => file::read(objects, location, accounts).await,
                    Err(error) => Err(error),
                };
                // The receiver is dropped together with this future only.
                let _ = sender.send((tag, read)).await;
            }
        });
        // Reading goes on while transactions run: both are polled as one stream, to which reading adds no item.
        let reading = stream::once(reading).filter_map(|()| future::ready(None));
        stream::select(reading, committer::commits(pool, metrics, receiver))
    }
}
