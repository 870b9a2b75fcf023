//! From log files to facts: the queue names the files, each is read, recorded and only then acknowledged.
//!
//! ```text
//! queue ──► notification ──► file (read, in parallel) ──► commit (many in one transaction) ──► queue (delete)
//! ```
//! A message is deleted when everything it names is committed, so being killed at any moment loses nothing; the ledger
//! of files makes a repetition change nothing. What can never succeed goes to the table `dead_letter` at once, what
//! did not succeed after [`MAX_RECEIVES`](settle::MAX_RECEIVES) attempts too. The queue's own dead-letter queue is left
//! with what could not even be written down.

mod commit;
mod contents;
mod file;
mod letter;
mod notification;
mod settle;
#[cfg(test)]
mod tests;

pub(crate) use commit::{Recorded, commit};
pub use contents::ContentsError;
pub use file::{FileError, Location, Recipients};
pub(crate) use file::{ReadFile, read};
pub use letter::{MessageError, record_message};
pub use notification::NotificationError;

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Health, Metrics};
use cloudigrade_cloud::{CloudError, Message, Objects, Queue};
use cloudigrade_store::Pool;

/// Loops that take messages; one goes on while the other waits for a slow file or for the database.
const TAKERS: usize = 2;
/// Messages a taker has in hand at most: what it commits at once. A queue hands out ten at a time.
const IN_HAND: usize = 100;
/// How long the queue may wait for a message to come.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Longest wait between attempts to reach the queue or the database.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The part of the process that other parts see in its readiness.
const PART: &str = "queue";

/// What taking in log files needs.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Ingest<Q, O> {
    pub queue: Q,
    /// Names the queue to people
    pub queue_url: String,
    pub objects: O,
    pub pool: Pool,
    /// The bucket that customers' trails write to; what is told of others is refused
    pub trail_bucket: String,
    pub metrics: Metrics,
    pub health: Health,
}

/// Takes in log files until `shutdown`; then finishes what is in hand, within a limit.
pub async fn run<Q: Queue, O: Objects>(ingest: Ingest<Q, O>, shutdown: CancellationToken) {
    ingest.health.expect(PART);
    let takers = (0..TAKERS).map(|_| ingest.take(&shutdown));
    futures::future::join_all(takers).await;
}

impl<Q: Queue, O: Objects> Ingest<Q, O> {
    async fn take(&self, shutdown: &CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            // After trouble and at the start an answer counts more than a message.
            let wait = if failures == 0 && self.health.is_ready(PART) {
                LONG_POLL
            } else {
                Duration::ZERO
            };
            let Some(received) = shutdown.run_until_cancelled(self.receive(wait)).await else {
                break;
            };
            failures = match received {
                Ok(messages) => {
                    self.health.ready(PART);
                    if self.process(messages, shutdown).await {
                        0
                    } else {
                        failures + 1
                    }
                }
                Err(why) => {
                    tracing::warn!(why, "not taking messages");
                    self.health.unready(PART, why);
                    failures + 1
                }
            };
            if failures > 0 {
                shutdown.run_until_cancelled(sleep(pause(failures))).await;
            }
        }
    }

    /// Messages, once the database answers: none is taken that could not be recorded, for every taking counts against it.
    /// As many as are waiting, up to a limit.
    async fn receive(&self, wait: Duration) -> Result<Vec<Message>, String> {
        if let Err(error) = cloudigrade_store::ping(&self.pool).await {
            return Err(format!("waiting for the database: {error}"));
        }
        let received = self.queue.receive(wait).await;
        let mut messages = received.map_err(|error| self.explain(&error))?;
        let mut last = messages.len();
        while last == FULL && messages.len() + FULL <= IN_HAND {
            let Ok(more) = self.queue.receive(Duration::ZERO).await else {
                break;
            };
            last = more.len();
            messages.extend(more);
        }
        Ok(messages)
    }

    fn explain(&self, error: &CloudError) -> String {
        let url = &self.queue_url;
        if error.code.contains("NonExistentQueue") || error.code.contains("QueueDoesNotExist") {
            format!(
                "queue {url} does not exist: make it or set CLOUDIGRADE_QUEUE_URL to one that does"
            )
        } else {
            format!("queue {url}: {error}")
        }
    }
}

/// A queue that hands out so many may have more.
const FULL: usize = 10;

/// 1 s, 2 s, 4 s … after failures in a row.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << (failures - 1).min(6)).min(LONGEST_PAUSE)
}
