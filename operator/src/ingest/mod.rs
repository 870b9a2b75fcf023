//! From log files to facts: the files of every source go through one pipeline and come back with their results.
//!
//! ```text
//! source ──► pipeline: file (read, in parallel) ──► committer (many in one transaction) ──► disposition
//! queue (consumer) · dead letter (message) · folder, bucket (crate::replay)
//! ```
//! A message is deleted when all its files are committed, so being killed at any moment loses nothing; the ledger of
//! files makes a repetition change nothing. A message that can never succeed goes to the table `dead_letter` at once, one
//! that fails for the [`MAX_ATTEMPTS`](disposition::MAX_ATTEMPTS)th time too; an outage counts against none. The queue's own dead-letter queue gets
//! only messages that could not even be written there.

mod attempts;
mod committer;
mod consumer;
mod contents;
mod disposition;
mod file;
mod message;
mod notification;
mod pipeline;
#[cfg(test)]
mod tests;

pub use attempts::FailedAttempts;
pub(crate) use committer::{CommittedFile, FileOutcome, FileResult};
pub use contents::ContentsError;
pub use file::{FileError, ObjectLocation, Recipients};
pub use message::{MessageError, redrive};
pub use notification::NotificationError;
pub(crate) use pipeline::Pipeline;

use tokio_util::sync::CancellationToken;

use crate::telemetry::{Health, Metrics, QUEUE};
use cloudigrade_cloud::{Objects, Queue};
use cloudigrade_store::Pool;

/// Loops that receive messages; one goes on while the other waits for a slow file or for the database.
const CONSUMERS: usize = 2;

/// Name of the queue in the process's readiness, and of the loops that receive from it.
const READINESS: &str = QUEUE;

/// The queue's consumers and their connections.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Ingest<Q, O> {
    pub queue: Q,
    /// For messages to people
    pub queue_url: String,
    pub objects: O,
    pub pool: Pool,
    /// The bucket that customers' trails write to; files of others are refused
    pub trail_bucket: String,
    pub metrics: Metrics,
    pub health: Health,
    pub attempts: FailedAttempts,
}

/// Ingests log files until `shutdown`; then finishes the messages in flight, within a limit.
pub async fn run<Q: Queue, O: Objects>(ingest: Ingest<Q, O>, shutdown: CancellationToken) {
    ingest.health.expect(READINESS);
    let consumers = (0..CONSUMERS).map(|_| ingest.consume(&shutdown));
    futures::future::join_all(consumers).await;
}
