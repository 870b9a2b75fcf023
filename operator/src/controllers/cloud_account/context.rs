//! Everything that reconciliations of CloudAccounts share.

use std::fmt::Debug;

use kube::{Api, ResourceExt};

use super::demanded::DemandedIds;
use super::role_cache::RoleCache;
use super::schedule::Schedule;
use crate::controllers::runtime::Runtime;
use cloudigrade_api::CloudAccount;
use cloudigrade_cloud::{Access, Inventory, Trails};
use cloudigrade_store::Pool;

/// The calls that metering an account makes to a cloud.
pub trait Cloud: Access + Trails + Inventory {}

impl<T: Access + Trails + Inventory> Cloud for T {}

/// Everything that reconciliations of CloudAccounts share; `C` is the cloud.
pub struct AccountContext<C> {
    pub(super) runtime: Runtime,
    pub(super) database: Pool,
    pub(super) cloud: C,
    pub(super) trail_bucket: String,
    pub(super) schedule: Schedule,
    pub(super) roles: RoleCache,
    pub(super) demanded: DemandedIds,
}

impl<C> AccountContext<C> {
    /// `trail_bucket` is the bucket of the own account that trails write to.
    pub fn new(runtime: Runtime, database: Pool, cloud: C, trail_bucket: String) -> Self {
        Self {
            runtime,
            database,
            cloud,
            trail_bucket,
            schedule: Schedule::default(),
            roles: RoleCache::default(),
            demanded: DemandedIds::default(),
        }
    }

    /// The API of the namespace of `account`.
    pub(super) fn accounts(&self, account: &CloudAccount) -> Api<CloudAccount> {
        Api::namespaced(
            self.runtime.client.clone(),
            &account.namespace().unwrap_or_default(),
        )
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.schedule.forget(account);
        self.roles.forget(account);
        self.demanded.forget(account);
    }
}

impl<C> Debug for AccountContext<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountContext")
            .field("trail_bucket", &self.trail_bucket)
            .finish_non_exhaustive()
    }
}
