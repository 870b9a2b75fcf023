//! When each account is looked at next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use cloudigrade_api::CloudAccount;

/// The next look, by the account's UID and the generation it was planned for. A look that found nothing new writes no
/// status, so the status alone would have every later wake-up look again; after a restart it is all there is.
#[derive(Debug, Default)]
pub(super) struct Schedule(Mutex<HashMap<String, (Option<i64>, Timestamp)>>);

impl Schedule {
    /// When `account` is to be looked at; `None` if that was never planned for what its spec says now.
    pub(super) fn next(&self, account: &CloudAccount) -> Option<Timestamp> {
        let generation = account.metadata.generation;
        let planned = self.planned(account.metadata.uid.as_deref().unwrap_or_default());
        let written = || {
            let status = account.status.as_ref()?;
            Some((
                status.observed_generation,
                status.next_check_time.as_ref()?.0,
            ))
        };
        planned
            .or_else(written)
            .filter(|(of, _)| *of == generation)
            .map(|(_, at)| at)
    }

    /// Plans the next look at `account`.
    pub(super) fn plan(&self, account: &CloudAccount, at: Timestamp) {
        let uid = account.metadata.uid.clone().unwrap_or_default();
        self.lock().insert(uid, (account.metadata.generation, at));
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.lock()
            .remove(account.metadata.uid.as_deref().unwrap_or_default());
    }

    fn planned(&self, uid: &str) -> Option<(Option<i64>, Timestamp)> {
        self.lock().get(uid).copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Option<i64>, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
