//! State shared by all reconciliations.

use std::sync::Once;

use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, ResourceExt};

use super::Settings;
use super::limiter::{Limiter, Permit};
use super::{Guarded, GuardedAccount, Object};
use crate::controllers::backoff::Backoff;
use crate::controllers::runtime::Runtime;
use cloudigrade_api::{CloudAccount, ImageInspection, Phase};
use cloudigrade_store::Pool;

/// State shared by all reconciliations; `C` is the cloud.
pub(super) struct Context<C> {
    pub(super) runtime: Runtime,
    pub(super) database: Pool,
    pub(super) cloud: C,
    pub(super) settings: Settings,
    pub(super) limiter: Limiter,
    /// Of the permits, once a process
    pub(super) restored: Once,
    pub(super) accounts: Store<GuardedAccount>,
    pub(super) inspections: Store<Guarded>,
    /// Of inspections that wait, which is no error and so not in the backoff of the runtime
    pub(super) backoff: Backoff,
}

impl<C> Context<C> {
    /// The API for the namespace of `inspection`.
    pub(super) fn inspections(&self, inspection: &ImageInspection) -> Api<ImageInspection> {
        Api::namespaced(
            self.runtime.client.clone(),
            &inspection.namespace().unwrap_or_default(),
        )
    }

    /// The account that `inspection` refers to, if there is one that can be read.
    pub(super) fn account(&self, inspection: &ImageInspection) -> Option<CloudAccount> {
        let object = ObjectRef::new(&inspection.spec.cloud_account_ref.name);
        let found = self
            .accounts
            .get(&object.within(&inspection.namespace().unwrap_or_default()))?;
        found.0.as_ref().ok().cloned()
    }

    /// Acquires the permit to run for `inspection`.
    ///
    /// # Errors
    /// The limit that is reached, in words.
    pub(super) fn acquire_permit(&self, inspection: &ImageInspection) -> Result<(), String> {
        // After a restart those that run already come first.
        self.restored.call_once(|| {
            for other in self.inspections.state() {
                if let Ok(other) = &other.0
                    && is_running(other)
                {
                    self.limiter.restore(permit(other));
                }
            }
        });
        self.limiter.acquire(permit(inspection), |running| {
            self.inspections.get(running).is_some()
        })
    }
}

/// Returns whether a permit is held, by the status.
fn is_running(inspection: &ImageInspection) -> bool {
    matches!(
        inspection.status.as_ref().map(|status| status.phase),
        Some(Phase::Preparing | Phase::Inspecting)
    )
}

fn permit(inspection: &ImageInspection) -> Permit {
    let namespace = inspection.namespace().unwrap_or_default();
    Permit {
        uid: inspection.uid().unwrap_or_default(),
        object: Object::new(&inspection.name_any()).within(&namespace),
        account: (namespace, inspection.spec.cloud_account_ref.name.clone()),
        since: inspection
            .creation_timestamp()
            .map_or(jiff::Timestamp::MIN, |time| time.0),
    }
}
