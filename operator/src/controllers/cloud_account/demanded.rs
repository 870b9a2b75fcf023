//! The roles that were seen to demand their external id. A trust policy seldom changes, so that two refusals a day are enough.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use cloudigrade_api::CloudAccount;
use cloudigrade_cloud::IamRole;

/// Time after which the role is tried again.
const VALID: SignedDuration = SignedDuration::from_hours(24);

/// Roles with the time of their proof, by the UID of their CloudAccount.
#[derive(Debug, Default)]
pub(super) struct DemandedIds(Mutex<HashMap<String, (IamRole, Timestamp)>>);

impl DemandedIds {
    /// Returns true if this very role, with this external id, was tried lately.
    pub(super) fn is_known(&self, account: &CloudAccount, role: &IamRole, now: Timestamp) -> bool {
        let proofs = self.0.lock();
        let proof = proofs.get(&uid(account));
        proof.is_some_and(|(proven, at)| proven == role && now.duration_since(*at) < VALID)
    }

    /// Notes that `role` refused everything but its external id.
    pub(super) fn remember(&self, account: &CloudAccount, role: &IamRole, now: Timestamp) {
        self.0.lock().insert(uid(account), (role.clone(), now));
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.0.lock().remove(&uid(account));
    }
}

fn uid(account: &CloudAccount) -> String {
    account.metadata.uid.clone().unwrap_or_default()
}
