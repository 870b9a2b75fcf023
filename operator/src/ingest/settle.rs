//! The messages in hand: their files are read and recorded, and each is deleted, given back or kept as a dead letter.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Ingest;
use super::commit::{self, Recorded};
use super::file::{self, FileError, Location, ReadFile, Recipients};
use super::letter::MessageError;
use super::notification;
use crate::telemetry::OutcomeLabel;
use cloudigrade_cloud::{Message, Objects, Queue, VISIBILITY_TIMEOUT};
use cloudigrade_store::{StoreError, dead_letters, enrolments};

/// Files a taker reads at once; each may hold an object in memory.
pub(super) const AT_ONCE: usize = 4;
/// A file that takes longer to read is tried again later.
const READ_LIMIT: Duration = Duration::from_secs(45);
/// What was read waits so long for company in its transaction.
const LINGER: Duration = Duration::from_millis(50);
/// Attempts before a message is given up; the queue's redrive policy has to allow as many (§3.4).
pub(super) const MAX_RECEIVES: u32 = 5;
/// Wait before the second attempt; four times as long before each further one.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// How often the queue is told that work goes on, well before somebody else gets the messages (§12 no. 41).
const EXTEND: Duration = Duration::from_secs(VISIBILITY_TIMEOUT.as_secs() / 3);
/// How long work in hand may go on once the process is to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

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

/// A message and what became of its files so far.
#[derive(Debug)]
struct Work {
    message: Message,
    /// Files not settled yet
    left: usize,
    recorded: Recorded,
    failed: Option<MessageError>,
    /// A file was not begun, because the process stops
    given_back: bool,
}

impl Work {
    fn settle(&mut self, result: Result<Recorded, FileError>) {
        self.left -= 1;
        match result {
            Ok(recorded) => self.recorded = self.recorded.max(recorded),
            // What can still succeed decides whether the message comes back.
            Err(error) if self.failed.as_ref().is_none_or(MessageError::is_permanent) => {
                self.failed = Some(error.into());
            }
            Err(_) => {}
        }
    }
}

/// What became of reading the file of a message.
type Read = (usize, Option<Result<Option<ReadFile>, FileError>>);

impl<Q: Queue, O: Objects> Ingest<Q, O> {
    /// Processes messages and deletes those that are done; `false` if the database failed.
    pub(super) async fn process(
        &self,
        messages: Vec<Message>,
        shutdown: &CancellationToken,
    ) -> bool {
        let receipts = messages.iter().map(|message| message.receipt.clone());
        let in_hand = Mutex::new(BTreeSet::from_iter(receipts));
        let stop = async {
            shutdown.cancelled().await;
            sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            well = self.work(messages, &in_hand, shutdown) => well,
            () = self.extend(&in_hand) => true,
            () = stop => {
                tracing::warn!("stopped with messages in hand; they will be handed out again");
                true
            }
        }
    }

    async fn work(
        &self,
        messages: Vec<Message>,
        in_hand: &Mutex<BTreeSet<String>>,
        shutdown: &CancellationToken,
    ) -> bool {
        let mut works = Vec::with_capacity(messages.len());
        let mut files: Vec<(usize, Location)> = Vec::new();
        for message in messages {
            let (locations, failed) = match notification::parse(&message.body) {
                Ok(locations) => (locations, None),
                Err(error) => (Vec::new(), Some(error.into())),
            };
            let left = locations.len();
            files.extend(
                locations
                    .into_iter()
                    .map(|location| (works.len(), location)),
            );
            works.push(Work {
                message,
                left,
                recorded: Recorded::Ignored,
                failed,
                given_back: false,
            });
        }
        let recipients = self.recipients(&files).await;
        let recipients = match recipients {
            Ok(recipients) => recipients,
            Err(error) => return self.all_failed(works, in_hand, &error.into()).await,
        };

        let mut well = self.settle(&mut works, in_hand).await;
        let recipients = &recipients;
        let reads = stream::iter(files)
            .map(|(work, location)| async move {
                let begun = !shutdown.is_cancelled();
                let read = async { self.read(location, recipients).await };
                (work, if begun { Some(read.await) } else { None })
            })
            .buffer_unordered(AT_ONCE);
        let mut reads = std::pin::pin!(reads);
        while let Some(group) = group(&mut reads).await {
            if let Err(error) = self.record(group, &mut works).await {
                return self.all_failed(works, in_hand, &error.into()).await;
            }
            well &= self.settle(&mut works, in_hand).await;
        }
        well
    }

    async fn recipients(&self, files: &[(usize, Location)]) -> Result<Recipients, StoreError> {
        let accounts: BTreeSet<&str> = files
            .iter()
            .filter_map(|(_, location)| file::account(location))
            .collect();
        enrolments::metered_accounts(&self.pool, &Vec::from_iter(accounts)).await
    }

    async fn read(
        &self,
        location: Location,
        recipients: &Recipients,
    ) -> Result<Option<ReadFile>, FileError> {
        if location.bucket != self.trail_bucket {
            return Err(FileError::Bucket(location.bucket));
        }
        let key = location.key.clone();
        timeout(READ_LIMIT, file::read(&self.objects, location, recipients))
            .await
            .unwrap_or(Err(FileError::Timeout {
                key,
                seconds: READ_LIMIT.as_secs(),
            }))
    }

    /// Records what was read, in one transaction.
    async fn record(&self, group: Vec<Read>, works: &mut [Work]) -> Result<(), StoreError> {
        let (mut owners, mut files) = (Vec::new(), Vec::new());
        for (owner, read) in group {
            match read {
                Some(Ok(Some(file))) => {
                    owners.push(owner);
                    files.push(file);
                }
                Some(Ok(None)) => works[owner].settle(Ok(Recorded::Ignored)),
                Some(Err(error)) => works[owner].settle(Err(error)),
                None => {
                    works[owner].left -= 1;
                    works[owner].given_back = true;
                }
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let recorded = commit::commit(&self.pool, &self.metrics, &files).await?;
        for ((owner, file), recorded) in owners.into_iter().zip(files).zip(recorded) {
            works[owner].settle(recorded.map_err(|source| FileError::Store {
                key: file.location.key,
                source,
            }));
        }
        Ok(())
    }

    /// Sees to the messages whose files are all settled; `false` if the database failed.
    async fn settle(&self, works: &mut [Work], in_hand: &Mutex<BTreeSet<String>>) -> bool {
        let (mut well, mut done) = (true, Vec::new());
        for work in works.iter_mut().filter(|work| work.left == 0) {
            if !forget(in_hand, &work.message.receipt) {
                continue;
            }
            let fate = self.fate(work).await;
            well &= fate != Fate::Outage;
            if fate == Fate::Done {
                done.push(work.message.receipt.clone());
            }
        }
        for receipts in done.chunks(super::FULL) {
            self.delete(receipts.to_vec()).await;
        }
        well
    }

    /// The database failed before it was known what would become of these.
    async fn all_failed(
        &self,
        works: Vec<Work>,
        in_hand: &Mutex<BTreeSet<String>>,
        error: &MessageError,
    ) -> bool {
        for work in works {
            if forget(in_hand, &work.message.receipt) {
                let (outcome, _) = self.fail(&work.message, error).await;
                self.count(outcome);
            }
        }
        !error.is_outage()
    }

    async fn fate(&self, work: &Work) -> Fate {
        let message = &work.message;
        let (outcome, fate) = match &work.failed {
            _ if work.given_back => {
                self.change_visibility(message, Duration::ZERO).await;
                return Fate::Again;
            }
            Some(error) => self.fail(message, error).await,
            None => match work.recorded {
                Recorded::Now => ("recorded", Fate::Done),
                Recorded::Already => ("duplicate", Fate::Done),
                Recorded::Ignored => ("ignored", Fate::Done),
            },
        };
        self.count(outcome);
        fate
    }

    fn count(&self, outcome: &'static str) {
        self.metrics
            .queue_messages
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
    }

    /// Writes a letter for what will not succeed; lets the rest come back.
    async fn fail(&self, message: &Message, error: &MessageError) -> (&'static str, Fate) {
        let (id, receives) = (&message.id, message.receives);
        if error.is_outage() {
            tracing::warn!(id, receives, %error, "the database failed; the message comes back");
            self.change_visibility(message, retry_after(receives)).await;
            return ("failed", Fate::Outage);
        }
        if !error.is_permanent() && receives < MAX_RECEIVES {
            let retry_after = retry_after(receives);
            tracing::warn!(id, receives, %error, retry_after_s = retry_after.as_secs(), "a message failed; it comes back");
            self.change_visibility(message, retry_after).await;
            return ("failed", Fate::Again);
        }
        match dead_letters::insert(&self.pool, id, &message.body, &error.to_string(), receives)
            .await
        {
            Ok(()) => {
                tracing::error!(id, receives, %error, "gave a message up; see `cloudigrade dead-letters list`");
                ("dead_letter", Fate::Done)
            }
            Err(store) => {
                tracing::warn!(id, receives, %error, %store, "a message cannot be processed nor kept; it comes back");
                self.change_visibility(message, retry_after(receives)).await;
                ("failed", Fate::Outage)
            }
        }
    }

    /// Keeps what is in hand from being handed out again, for as long as it is.
    async fn extend(&self, in_hand: &Mutex<BTreeSet<String>>) {
        loop {
            sleep(EXTEND).await;
            let receipts = locked(in_hand).clone();
            stream::iter(receipts)
                .for_each_concurrent(super::FULL, async |receipt| {
                    // Whoever was seen to in the meantime is to come back when it was told.
                    if !locked(in_hand).contains(&receipt) {
                        return;
                    }
                    if let Err(error) = self.queue.change_visibility(&receipt, VISIBILITY_TIMEOUT).await {
                        tracing::warn!(%error, "the queue could not be told that work on a message goes on");
                    }
                })
                .await;
        }
    }

    /// Without it the message comes back all the same, when its time with us is over.
    async fn change_visibility(&self, message: &Message, time: Duration) {
        if let Err(error) = self.queue.change_visibility(&message.receipt, time).await {
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

/// What comes first and what comes soon after it; `None` at the end.
async fn group<S: Stream + Unpin>(stream: &mut S) -> Option<Vec<S::Item>> {
    let mut group = vec![stream.next().await?];
    let until = Instant::now() + LINGER;
    while let Ok(Some(next)) = timeout_at(until, stream.next()).await {
        group.push(next);
    }
    Some(group)
}

/// Whether it was in hand; it is not any more.
fn forget(in_hand: &Mutex<BTreeSet<String>>, receipt: &str) -> bool {
    locked(in_hand).remove(receipt)
}

fn locked(in_hand: &Mutex<BTreeSet<String>>) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    in_hand.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 15 s, 1 min, 4 min, 16 min: an outage of a quarter of an hour costs no message.
pub(super) fn retry_after(receives: u32) -> Duration {
    FIRST_RETRY * 4_u32.pow(receives.clamp(1, MAX_RECEIVES) - 1)
}
