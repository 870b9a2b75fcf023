//! From log files to facts: the queue names the files, each is read, recorded and only then acknowledged.
//!
//! A message is deleted when everything it names is committed, so being killed at any moment loses nothing; the ledger
//! of files makes a repetition change nothing. What can never succeed goes to the table `dead_letter` at once, what
//! did not succeed after [`MAX_RECEIVES`] attempts too. The queue's own dead-letter queue is left with what could not
//! even be written down.

mod contents;
mod file;
mod notification;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures::{StreamExt, stream};
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cloud::{CloudError, Message, Objects, Queue, VISIBILITY};
use crate::observe::{Health, Metrics, Outcome};
use crate::store::{StoreError, ledger};
use file::{FileError, Files, Recorded};
use notification::NotificationError;

/// Loops that take messages; one goes on while the other waits for a slow file.
const TAKERS: usize = 2;
/// Messages a taker works on at once; each may hold a log file in memory.
const AT_ONCE: usize = 2;
/// How long the queue may wait for a message to come.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Attempts before a message is given up; the queue's redrive policy has to allow as many (§3.4).
const MAX_RECEIVES: u32 = 5;
/// Wait before the second attempt; four times as long before each further one.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// From receiving messages to letting go of them, well before somebody else gets them (§12 no. 41).
const WORK_LIMIT: Duration = VISIBILITY.saturating_sub(Duration::from_secs(15));
/// How long work in hand may go on once the process is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);
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
    pub pool: PgPool,
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

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// All it names is recorded, or its letter is: to be deleted
    Done,
    /// Comes back later
    Again,
    /// Comes back later, and so would every other: the database does not do its work
    Outage,
}

/// Why a message could not be processed.
#[derive(Debug, thiserror::Error)]
enum MessageError {
    #[error(transparent)]
    Notification(#[from] NotificationError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("not done within {} s", WORK_LIMIT.as_secs())]
    Timeout,
}

impl MessageError {
    fn is_permanent(&self) -> bool {
        match self {
            Self::Notification(_) => true,
            Self::File(error) => error.is_permanent(),
            Self::Timeout => false,
        }
    }

    fn is_outage(&self) -> bool {
        matches!(self, Self::File(error) if error.is_outage())
    }
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
    async fn receive(&self, wait: Duration) -> Result<Vec<Message>, String> {
        if let Err(error) = ledger::ping(&self.pool).await {
            return Err(format!("waiting for the database: {error}"));
        }
        self.queue
            .receive(wait)
            .await
            .map_err(|error| self.explain(&error))
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

    /// Processes messages and deletes those that are done; `false` if the database failed.
    async fn process(&self, messages: Vec<Message>, shutdown: &CancellationToken) -> bool {
        let limit = Instant::now() + WORK_LIMIT;
        let fates = stream::iter(messages)
            .map(|message| async move {
                (
                    self.settle(&message, limit, shutdown).await,
                    message.receipt,
                )
            })
            .buffer_unordered(AT_ONCE)
            .ready_chunks(10);
        let work = fates.fold(true, async |well, settled| {
            let done = settled
                .iter()
                .filter(|(fate, _)| *fate == Fate::Done)
                .map(|(_, receipt)| receipt.clone());
            self.delete(done.collect()).await;
            well && settled.iter().all(|(fate, _)| *fate != Fate::Outage)
        });
        let stop = async {
            shutdown.cancelled().await;
            sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            well = work => well,
            () = stop => {
                tracing::warn!("stopped with messages in hand; they will be handed out again");
                true
            }
        }
    }

    /// Sees to one message; nothing is left to do but to delete it if it is done.
    async fn settle(
        &self,
        message: &Message,
        limit: Instant,
        shutdown: &CancellationToken,
    ) -> Fate {
        let trace_id = uuid::Uuid::new_v4().simple();
        let span = tracing::info_span!("message", %trace_id, message_id = message.id, receives = message.receives);
        async {
            if shutdown.is_cancelled() || Instant::now() >= limit {
                self.hide(message, Duration::ZERO).await;
                return Fate::Again;
            }
            let result = timeout_at(limit, self.record(message))
                .await
                .unwrap_or(Err(MessageError::Timeout));
            let (outcome, fate) = match result {
                Ok(Recorded::Now) => ("recorded", Fate::Done),
                Ok(Recorded::Already) => ("duplicate", Fate::Done),
                Ok(Recorded::Ignored) => ("ignored", Fate::Done),
                Err(error) => self.fail(message, &error).await,
            };
            tracing::debug!(outcome, "processed a message");
            self.metrics
                .queue_messages
                .get_or_create(&Outcome { outcome })
                .inc();
            fate
        }
        .instrument(span)
        .await
    }

    /// Records every file a message names, each in a transaction of its own; what failed does not keep the others.
    async fn record(&self, message: &Message) -> Result<Recorded, MessageError> {
        let files = Files {
            objects: &self.objects,
            pool: &self.pool,
            trail_bucket: &self.trail_bucket,
            metrics: &self.metrics,
        };
        let mut all = Recorded::Ignored;
        let mut failed: Option<FileError> = None;
        for put in notification::parse(&message.body)? {
            match files.record(put).await {
                Ok(recorded) => all = all.max(recorded),
                // What can still succeed decides whether the message comes back.
                Err(error) if failed.as_ref().is_none_or(FileError::is_permanent) => {
                    failed = Some(error)
                }
                Err(_) => {}
            }
        }
        failed.map_or(Ok(all), |error| Err(error.into()))
    }

    /// Writes a letter for what will not succeed; lets the rest come back.
    async fn fail(&self, message: &Message, error: &MessageError) -> (&'static str, Fate) {
        if error.is_outage() {
            tracing::warn!(%error, "the database failed; the message comes back");
            self.hide(message, retry_after(message.receives)).await;
            return ("failed", Fate::Outage);
        }
        if !error.is_permanent() && message.receives < MAX_RECEIVES {
            let retry_after = retry_after(message.receives);
            tracing::warn!(%error, retry_after_s = retry_after.as_secs(), "a message failed; it comes back");
            self.hide(message, retry_after).await;
            return ("failed", Fate::Again);
        }
        match self.bury(message, error).await {
            Ok(()) => {
                tracing::error!(%error, "gave a message up; see table dead_letter");
                ("dead_letter", Fate::Done)
            }
            Err(store) => {
                tracing::warn!(%error, %store, "a message cannot be processed nor kept; it comes back");
                self.hide(message, retry_after(message.receives)).await;
                ("failed", Fate::Outage)
            }
        }
    }

    async fn bury(&self, message: &Message, error: &MessageError) -> Result<(), StoreError> {
        ledger::bury(
            &self.pool,
            &message.id,
            &message.body,
            &error.to_string(),
            message.receives,
        )
        .await
    }

    /// Without it the message comes back all the same, when its time with us is over.
    async fn hide(&self, message: &Message, time: Duration) {
        if let Err(error) = self.queue.hide(&message.receipt, time).await {
            tracing::warn!(%error, "the time at which a message comes back could not be set");
        }
    }

    /// What cannot be deleted is handed out again and found to be recorded.
    async fn delete(&self, receipts: Vec<String>) {
        let mut left = receipts;
        for _ in 0..2 {
            if left.is_empty() {
                return;
            }
            match self.queue.delete(&left).await {
                Ok(failed) => left = failed,
                Err(error) => tracing::warn!(%error, "messages could not be deleted"),
            }
        }
        if !left.is_empty() {
            tracing::warn!(
                messages = left.len(),
                "messages are left in the queue though they are done"
            );
        }
    }
}

/// 15 s, 1 min, 4 min, 16 min: an outage of a quarter of an hour costs no message.
fn retry_after(receives: u32) -> Duration {
    FIRST_RETRY * 4_u32.pow(receives.clamp(1, MAX_RECEIVES) - 1)
}

/// 1 s, 2 s, 4 s … after failures in a row.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << (failures - 1).min(6)).min(LONGEST_PAUSE)
}
