//! The consumer of the queue: receives messages, keeps them invisible while their files are processed, and disposes of each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::disposition::{Disposition, retry_after};
use super::message::{self, InFlight, MessageError, MessageFile, PARALLEL_READS};
use super::pipeline::Pipeline;
use super::{Ingest, READINESS, file};
use crate::telemetry::{OutcomeLabel, STUCK};
use cloudigrade_cloud::{CloudError, ErrorKind, Message, Objects, Queue, VISIBILITY_TIMEOUT};
use cloudigrade_store::{StoreError, dead_letters};

/// Messages a consumer has in flight at most: it commits them together.
const MAX_IN_FLIGHT: usize = 100;
/// Messages of one receive or delete; a full receive may leave more in the queue.
const MAX_BATCH: usize = 10;
/// Longest wait of the queue for a message.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Longest wait between attempts to reach the queue or the database.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// Interval in which the visibility timeout is set anew, well before it ends (docs/design/original.md#queues).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(VISIBILITY_TIMEOUT.as_secs() / 3);
/// Time for messages in flight once the process is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Messages in flight by their numbers.
type Messages = Mutex<BTreeMap<usize, InFlight>>;

impl<Q: Queue, O: Objects> Ingest<Q, O> {
    /// Receives and processes messages until `shutdown`.
    pub(super) async fn consume(&self, shutdown: &CancellationToken) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            self.health.beat(READINESS, STUCK);
            // After a failure and at the start, readiness waits for the answer.
            let wait = if failures == 0 && self.health.is_ready(READINESS) {
                LONG_POLL
            } else {
                Duration::ZERO
            };
            let Some(received) = shutdown.run_until_cancelled(self.receive(wait)).await else {
                break;
            };
            let healthy = match received {
                Ok(messages) => {
                    self.health.ready(READINESS);
                    self.process(messages, shutdown).await
                }
                Err(why) => {
                    tracing::warn!(why, "not receiving messages");
                    self.health.unready(READINESS, why);
                    false
                }
            };
            failures = if healthy { 0 } else { failures + 1 };
            if failures > 0 {
                shutdown.run_until_cancelled(sleep(backoff(failures))).await;
            }
        }
    }

    /// Receives as many messages as are waiting, up to a limit. The database has to prove first that it writes: every receive
    /// counts against a message, recorded or not.
    pub(super) async fn receive(&self, wait: Duration) -> Result<Vec<Message>, String> {
        if let Err(error) = cloudigrade_store::prove_write(&self.pool).await {
            return Err(format!("waiting for the database: {error}"));
        }
        let received = self.queue.receive(wait).await;
        let mut messages = received.map_err(|error| self.explain(&error))?;
        let mut last = messages.len();
        while last == MAX_BATCH && messages.len() + MAX_BATCH <= MAX_IN_FLIGHT {
            let Ok(more) = self.queue.receive(Duration::ZERO).await else {
                break;
            };
            last = more.len();
            messages.extend(more);
        }
        Ok(messages)
    }

    pub(super) fn explain(&self, error: &CloudError) -> String {
        let url = &self.queue_url;
        match error.kind {
            ErrorKind::NotFound => format!(
                "queue {url} does not exist: make it or set CLOUDIGRADE_QUEUE_URL to one that does"
            ),
            _ => format!("queue {url}: {error}"),
        }
    }

    /// Processes messages and deletes those that are done; returns `false` if the database failed.
    pub(super) async fn process(
        &self,
        messages: Vec<Message>,
        shutdown: &CancellationToken,
    ) -> bool {
        let (messages, files) = message::parse(messages, &self.trail_bucket);
        let messages = Mutex::new(messages);
        let stop = async {
            shutdown.cancelled().await;
            sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            healthy = self.work(&messages, files, shutdown) => healthy,
            () = self.heartbeat(&messages) => true,
            () = stop => {
                tracing::warn!("stopped with messages in flight; they become visible again");
                true
            }
        }
    }

    async fn work(
        &self,
        messages: &Messages,
        files: Vec<MessageFile>,
        shutdown: &CancellationToken,
    ) -> bool {
        let mut healthy = self.dispose(messages, None).await;
        let committed = self.commit(messages, files, shutdown, &mut healthy).await;
        if let Err(error) = committed {
            // The outcome of all others depends on the database.
            return self.dispose(messages, Some(&error.into())).await && healthy;
        }
        // Messages with files that were not begun, because the process stops.
        let left = std::mem::take(&mut *messages.lock());
        for InFlight { message, .. } in left.into_values() {
            self.change_visibility(&message, Duration::ZERO).await;
        }
        healthy
    }

    /// Runs the files through the pipeline and disposes of each message after its last file.
    async fn commit(
        &self,
        messages: &Messages,
        files: Vec<MessageFile>,
        shutdown: &CancellationToken,
        healthy: &mut bool,
    ) -> Result<(), StoreError> {
        let locations = files.iter().flat_map(|(_, file)| file);
        let accounts = file::recipients(&self.pool, locations).await?;
        let pipeline = Pipeline {
            pool: &self.pool,
            metrics: &self.metrics,
            objects: &self.objects,
            accounts: &accounts,
            parallel_reads: PARALLEL_READS,
        };
        let files = stream::iter(files).take_until(shutdown.cancelled());
        let mut groups = std::pin::pin!(pipeline.run(files));
        while let Some(group) = groups.next().await {
            for (number, result) in group? {
                if let Some(message) = messages.lock().get_mut(&number) {
                    message.add(result);
                }
            }
            *healthy &= self.dispose(messages, None).await;
        }
        Ok(())
    }

    /// Disposes of the messages whose files are done, or of all after a `failure` of the database; returns `false` if
    /// the database fails them.
    async fn dispose(&self, messages: &Messages, failure: Option<&MessageError>) -> bool {
        let finished: Vec<InFlight> = messages
            .lock()
            .extract_if(.., |_, message| failure.is_some() || message.pending == 0)
            .map(|(_, message)| message)
            .collect();
        let (mut healthy, mut done) = (true, Vec::new());
        for InFlight {
            message,
            outcome,
            error,
            ..
        } in finished
        {
            let (label, disposition) = match failure.or(error.as_ref()) {
                None => (outcome.label(), Disposition::Ack),
                Some(error) => self.dispose_failed(&message, error).await,
            };
            let label = OutcomeLabel { outcome: label };
            self.metrics.queue_messages.get_or_create(&label).inc();
            match disposition {
                Disposition::Ack | Disposition::DeadLetter => {
                    self.attempts.forget(&message.id);
                    done.push(message.receipt);
                }
                Disposition::Retry(after) => self.change_visibility(&message, after).await,
                Disposition::Outage(after) => {
                    healthy = false;
                    self.change_visibility(&message, after).await;
                }
            }
        }
        for receipts in done.chunks(MAX_BATCH) {
            self.delete(receipts.to_vec()).await;
        }
        healthy
    }

    /// Keeps a message that will not succeed as a dead letter; lets the others come back.
    async fn dispose_failed(
        &self,
        message: &Message,
        error: &MessageError,
    ) -> (&'static str, Disposition) {
        let (id, receives) = (&message.id, message.receives);
        let attempts = match error.is_outage() || error.is_cloud_outage() {
            true => 0,
            false => self.attempts.count(id),
        };
        let disposition = Disposition::of(Some(error), receives, attempts);
        match disposition {
            Disposition::Outage(_) => {
                tracing::warn!(id, receives, %error, "the database failed; the message comes back");
            }
            Disposition::Retry(after) => {
                tracing::warn!(id, receives, %error, retry_after_s = after.as_secs(), "a message failed; it comes back");
            }
            Disposition::Ack | Disposition::DeadLetter => {
                let (body, reason) = (&message.body, error.to_string());
                let Err(store) =
                    dead_letters::insert(&self.pool, id, body, &reason, receives).await
                else {
                    tracing::error!(id, receives, %error, "gave a message up; see `cloudigrade dead-letters list`");
                    return ("dead_letter", disposition);
                };
                tracing::warn!(id, receives, %error, %store, "a message cannot be processed nor kept; it comes back");
                return ("failed", Disposition::Outage(retry_after(receives)));
            }
        }
        ("failed", disposition)
    }

    /// Sets the visibility timeout of messages in flight anew, for as long as they are.
    async fn heartbeat(&self, messages: &Messages) {
        loop {
            sleep(HEARTBEAT).await;
            let in_flight: Vec<(usize, String)> = messages
                .lock()
                .iter()
                .map(|(number, in_flight)| (*number, in_flight.message.receipt.clone()))
                .collect();
            stream::iter(in_flight)
                .for_each_concurrent(MAX_BATCH, async |(number, receipt)| {
                    // A message disposed of meanwhile has the visibility timeout of its retry.
                    if !messages.lock().contains_key(&number) {
                        return;
                    }
                    if let Err(error) = self.queue.change_visibility(&receipt, VISIBILITY_TIMEOUT).await {
                        tracing::warn!(%error, "the visibility timeout of a message in flight could not be extended");
                    }
                })
                .await;
        }
    }

    /// A message for which this fails comes back when its visibility timeout ends.
    async fn change_visibility(&self, message: &Message, timeout: Duration) {
        if let Err(error) = self
            .queue
            .change_visibility(&message.receipt, timeout)
            .await
        {
            tracing::warn!(%error, "the visibility timeout of a message could not be changed");
        }
    }

    /// A message for which this fails comes back and is found to be recorded.
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

/// Returns 1 s, 2 s, 4 s … after failures in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << (failures - 1).min(6)).min(MAX_BACKOFF)
}
