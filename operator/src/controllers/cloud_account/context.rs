//! What every pass shares.

use std::fmt::Debug;

use kube::runtime::events::{Event, Recorder};
use kube::{Api, Client, Resource, ResourceExt};

use super::roles::Roles;
use super::schedule::Schedule;
use crate::controllers::backoff::Backoff;
use crate::telemetry::Metrics;
use cloudigrade_api::{CloudAccount, FIELD_MANAGER};
use cloudigrade_cloud::{Access, Inventory, Trails};
use cloudigrade_store::Pool;

/// What metering an account asks of a cloud.
pub trait Cloud: Access + Trails + Inventory {}

impl<T: Access + Trails + Inventory> Cloud for T {}

/// What every pass shares; `C` is the cloud.
pub struct Context<C> {
    pub(super) client: Client,
    pub(super) database: Pool,
    pub(super) cloud: C,
    pub(super) trail_bucket: String,
    pub(super) recorder: Recorder,
    pub(super) metrics: Metrics,
    pub(super) schedule: Schedule,
    pub(super) roles: Roles,
    pub(super) backoff: Backoff,
}

impl<C> Context<C> {
    /// `trail_bucket` is the bucket of the own account that trails write to.
    pub fn new(
        client: Client,
        database: Pool,
        cloud: C,
        trail_bucket: String,
        metrics: Metrics,
    ) -> Self {
        Self {
            recorder: Recorder::new(client.clone(), FIELD_MANAGER.into()),
            client,
            database,
            cloud,
            trail_bucket,
            metrics,
            schedule: Schedule::default(),
            roles: Roles::default(),
            backoff: Backoff::default(),
        }
    }

    /// Where `account` lives.
    pub(super) fn accounts(&self, account: &CloudAccount) -> Api<CloudAccount> {
        Api::namespaced(
            self.client.clone(),
            &account.namespace().unwrap_or_default(),
        )
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.schedule.forget(account);
        self.roles.forget(account);
    }

    /// Tells people about `object`; that it does not work changes nothing else.
    pub(super) async fn tell<K>(&self, object: &K, event: &Event)
    where
        K: Resource<DynamicType = ()>,
    {
        if let Err(error) = self.recorder.publish(event, &object.object_ref(&())).await {
            tracing::warn!(%error, "writing an event");
        }
    }
}

impl<C> Debug for Context<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("trail_bucket", &self.trail_bucket)
            .finish_non_exhaustive()
    }
}
