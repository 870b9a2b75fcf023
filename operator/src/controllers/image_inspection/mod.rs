//! ImageInspection: a state machine over its phase, `Pending` → `Preparing` → `Inspecting` → `Inspected` | `Skipped` | `Error`.
//!
//! Each reconciliation takes one step: [`stage`] → [`observe`] → [`decide`] → [`apply`] → [`status`]. The stage and the decision are
//! pure. Its own status is its clock: the echo of each write triggers the next step.

mod apply;
mod attempt;
mod context;
mod decide;
mod eligibility;
mod error;
mod job;
mod limiter;
mod observe;
mod plan;
mod reconcile;
mod result;
mod same_job;
mod stage;
mod status;

use std::sync::Once;

use futures::channel::mpsc;
use futures::{StreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};

use crate::controllers::backoff::Backoff;
use crate::controllers::runtime::Runtime;
use crate::controllers::watch::{self, Subscription};
use cloudigrade_api::{CloudAccount, ImageInspection, MANAGED_BY, Phase};
use cloudigrade_cloud::InspectionCloud;
use cloudigrade_store::Pool;
use context::Context;
use limiter::Limiter;

pub(crate) use eligibility::eligibility;
pub(crate) use job::ACCOUNT_LABEL;
pub use job::JobSettings;
pub use limiter::Limits;

/// Condition types.
const READY: &str = "Ready";
const INSPECTED: &str = "Inspected";
const RELEASED: &str = "ResourcesReleased";

/// One that cannot be read does not stop the others.
type Guarded = watch::Guarded<ImageInspection>;
type GuardedAccount = watch::Guarded<CloudAccount>;
type Object = ObjectRef<Guarded>;

/// Settings of all inspections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of their Jobs
    pub job: JobSettings,
    /// Of those that run at once
    pub limits: Limits,
    /// Most attempts to read an image
    pub max_attempts: u32,
}

/// Reconciles ImageInspections until shutdown.
pub async fn run<C: InspectionCloud>(
    runtime: Runtime,
    database: Pool,
    cloud: C,
    settings: Settings,
    inspections: Subscription<ImageInspection>,
    accounts: Subscription<CloudAccount>,
) {
    let (wake, woken) = mpsc::unbounded();
    let jobs = watcher::Config::default().labels(&format!(
        "{}={},{}={}",
        MANAGED_BY.0,
        MANAGED_BY.1,
        job::NAME.0,
        job::NAME.1
    ));
    let all_jobs: Api<Job> = runtime.watched_api(&settings.job.namespace);
    let running = runtime.metrics.inspections_running.clone();
    let context = Context {
        runtime: runtime.clone(),
        database,
        cloud,
        limiter: Limiter::new(settings.limits, running, wake),
        settings,
        restored: Once::new(),
        accounts: accounts.store.clone(),
        inspections: inspections.store.clone(),
        backoff: Backoff::default(),
    };

    let of_accounts = inspections.store.clone();
    let account_changed = accounts.changes.flat_map(move |account| {
        let waiting = of_accounts.state_filter(|inspection| waits_for(inspection, &account));
        stream::iter(waiting).map(|inspection| Object::from_obj(&*inspection))
    });
    let changes = inspections
        .changes
        .map(|inspection| Ok((*inspection).clone()));
    let controller = Controller::for_stream(changes, inspections.store)
        .watches(all_jobs, jobs, |job| job::inspection_of(&job))
        .reconcile_on(stream::select(woken, account_changed));
    // It must not begin before it can see the accounts.
    let seen = runtime
        .shutdown
        .run_until_cancelled(accounts.store.wait_until_ready());
    if seen.await.is_some() {
        runtime.run_controller(controller, context).await;
    }
}

/// Returns whether `inspection` could go on once `account` lets it.
fn waits_for(inspection: &Guarded, account: &GuardedAccount) -> bool {
    let Ok(inspection) = &inspection.0 else {
        return false;
    };
    let begun = inspection
        .status
        .as_ref()
        .is_some_and(|status| status.phase != Phase::Pending);
    !begun
        && inspection.spec.cloud_account_ref.name == account.name_any()
        && inspection.namespace() == account.namespace()
}

#[cfg(test)]
mod tests;
