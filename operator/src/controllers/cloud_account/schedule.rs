//! The time of the next check of each account.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use cloudigrade_api::CloudAccount;

/// The next check, by the account's UID, with the generation that it was planned for.
///
/// `status.nextCheckTime` alone would not do: a check that finds nothing new writes no status, so every later trigger would
/// check again. After a restart it is all there is.
#[derive(Debug, Default)]
pub(super) struct Schedule(Mutex<HashMap<String, (Option<i64>, Timestamp)>>);

impl Schedule {
    /// Returns the time of the next check of `account`; `None` if none was planned for its present spec.
    pub(super) fn next(&self, account: &CloudAccount) -> Option<Timestamp> {
        let generation = account.metadata.generation;
        let planned = self.0.lock().get(uid(account)).copied();
        let written = || {
            let status = account.status.as_ref()?;
            let next_check = status.next_check_time.as_ref()?.0;
            Some((status.observed_generation, next_check))
        };
        planned
            .or_else(written)
            .filter(|(of, _)| *of == generation)
            .map(|(_, at)| at)
    }

    /// Plans the next check of `account`.
    pub(super) fn plan(&self, account: &CloudAccount, at: Timestamp) {
        let generation = account.metadata.generation;
        self.0
            .lock()
            .insert(uid(account).to_owned(), (generation, at));
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.0.lock().remove(uid(account));
    }
}

fn uid(account: &CloudAccount) -> &str {
    account.metadata.uid.as_deref().unwrap_or_default()
}
