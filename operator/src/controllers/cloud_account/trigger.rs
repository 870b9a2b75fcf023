//! Changes in Postgres, made by ingest and inspections, trigger a reconciliation, so that a status shows them within seconds.
//!
//! Postgres is polled: `listen` needs a session, and PgBouncer in transaction mode keeps none. One indexed query every
//! three seconds serves all accounts.

use std::collections::HashMap;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::controllers::watch::Guarded;
use cloudigrade_api::CloudAccount;
use cloudigrade_store::account_status::{self, ChangedAccount};
use cloudigrade_store::{AccountKey, Pool};

/// Time between two polls.
const PERIOD: Duration = Duration::from_secs(3);
/// Overlap of a poll with the one before: a change is stamped a while before it is committed.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// The poller, with the changes of the overlap that it has reported.
struct Poll {
    database: Pool,
    timer: tokio::time::Interval,
    newest: Timestamp,
    reported: HashMap<AccountKey, Timestamp>,
}

/// CloudAccounts whose rows have changed in Postgres, as it happens.
pub(super) fn changed_accounts(
    database: Pool,
    accounts: Store<Guarded<CloudAccount>>,
) -> impl Stream<Item = ObjectRef<Guarded<CloudAccount>>> + Send + 'static {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let poll = Poll {
        database,
        timer,
        newest: Timestamp::now(),
        reported: HashMap::new(),
    };
    stream::unfold(poll, |mut poll| async move {
        poll.timer.tick().await;
        let changed =
            match account_status::changed_since(&poll.database, poll.newest - OVERLAP).await {
                Ok(changed) => poll.unreported(changed),
                Err(error) => {
                    tracing::warn!(%error, "polling for changes that statuses should show");
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
    /// Filters out the changes that an earlier poll has reported, and notes the others.
    fn unreported(&mut self, changed: Vec<ChangedAccount>) -> Vec<ChangedAccount> {
        self.newest = changed
            .iter()
            .map(|change| change.at)
            .fold(self.newest, Timestamp::max);
        let oldest = self.newest - OVERLAP;
        self.reported.retain(|_, at| *at > oldest);
        changed
            .into_iter()
            .filter(|change| self.reported.insert(change.account, change.at) != Some(change.at))
            .collect()
    }
}
