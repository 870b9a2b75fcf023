//! Wake-ups: what ingest and inspections write to Postgres shows in a status soon after.

use std::collections::HashMap;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::{ObjectRef, Store};

use super::Guarded;
use cloudigrade_store::Pool;
use cloudigrade_store::account_status::{self, Changed};

/// How often Postgres is asked.
const EVERY: Duration = Duration::from_secs(3);
/// How far each question reaches back: a change is stamped a while before it is committed.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// What was seen before.
struct Poll {
    database: Pool,
    timer: tokio::time::Interval,
    newest: Timestamp,
    seen: HashMap<i64, Timestamp>,
}

/// CloudAccounts of which something has changed in Postgres, as it happens.
pub(super) fn changed_accounts(
    database: Pool,
    accounts: Store<Guarded>,
) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
    let mut timer = tokio::time::interval(EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let poll = Poll {
        database,
        timer,
        newest: Timestamp::now(),
        seen: HashMap::new(),
    };
    stream::unfold(poll, |mut poll| async move {
        poll.timer.tick().await;
        let changed =
            match account_status::changed_since(&poll.database, poll.newest - OVERLAP).await {
                Ok(changed) => poll.news(changed),
                Err(error) => {
                    tracing::warn!(%error, "looking for changes that statuses should show");
                    Vec::new()
                }
            };
        Some((stream::iter(changed), poll))
    })
    .flatten()
    .map(|changed| ObjectRef::new(&changed.name).within(&changed.namespace))
    // The rows may be of a namespace that is not watched.
    .filter(move |object| std::future::ready(accounts.get(object).is_some()))
}

impl Poll {
    /// Those not seen at that time before.
    fn news(&mut self, changed: Vec<Changed>) -> Vec<Changed> {
        self.newest = changed
            .iter()
            .map(|change| change.at)
            .fold(self.newest, Timestamp::max);
        let oldest = self.newest - OVERLAP;
        self.seen.retain(|_, at| *at > oldest);
        changed
            .into_iter()
            .filter(|change| self.seen.insert(change.id, change.at) != Some(change.at))
            .collect()
    }
}
