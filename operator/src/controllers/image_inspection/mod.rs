//! ImageInspection: a state machine over its phase. Each pass observes, decides, acts and reports.
//!
//! `Pending` → `Preparing` → `Inspecting` → `Inspected` | `Skipped` | `Error`

mod act;
mod context;
mod decide;
mod error;
mod job;
mod observe;
mod reconcile;
mod result;
mod slots;
mod status;

use std::sync::{Arc, Once};

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::ready;
use k8s_openapi::api::batch::v1::Job;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{self, ObjectRef, reflector};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::config::RunConfig;
use crate::controllers::backoff::Backoff;
use crate::controllers::log::log;
use crate::controllers::watch;
use crate::telemetry::Metrics;
use cloudigrade_api::{CloudAccount, FIELD_MANAGER, ImageInspection, MANAGED_BY, Phase};
use cloudigrade_cloud::InspectionCloud;
use cloudigrade_store::Pool;
use context::Context;
use job::Runner;
use slots::{Limits, Slots};

pub(crate) use decide::gate;
pub(crate) use job::ACCOUNT_LABEL;

/// Condition types.
const READY: &str = "Ready";
const INSPECTED: &str = "Inspected";
const RELEASED: &str = "ResourcesReleased";

/// Passes at once; each waits mostly for others.
const CONCURRENCY: u16 = 16;

/// One that cannot be read does not stop the others.
type Guarded = DeserializeGuard<ImageInspection>;
type GuardedAccount = DeserializeGuard<CloudAccount>;
type Object = ObjectRef<Guarded>;

/// Reconciles ImageInspections until `shutdown`.
pub async fn run<C: InspectionCloud>(
    client: Client,
    database: Pool,
    cloud: C,
    config: &RunConfig,
    aws_endpoint_url: Option<String>,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let namespace = config.watch_namespace.as_deref();
    let (wake, woken) = mpsc::unbounded();
    let (inspections, inspections_writer) = reflector::store();
    let (accounts, accounts_writer) = reflector::store();
    let changes = reflector(
        inspections_writer,
        watch::changes::<Guarded>(&client, namespace),
    )
    .touched_objects();
    let account_changes = reflector(
        accounts_writer,
        watch::changes::<GuardedAccount>(&client, namespace),
    )
    .touched_objects();

    let jobs = watcher::Config::default().labels(&format!(
        "{}={},{}={}",
        MANAGED_BY.0,
        MANAGED_BY.1,
        job::NAME.0,
        job::NAME.1
    ));
    let limits = Limits {
        overall: config.max_inspections,
        per_account: config.max_inspections_per_account,
    };
    let context = Arc::new(Context {
        client: client.clone(),
        database,
        cloud,
        runner: Runner {
            image: config.houndigrade_image.clone(),
            aws_endpoint_url,
        },
        max_attempts: config.max_attempts,
        slots: Slots::new(limits, metrics.inspections_running.clone(), wake.clone()),
        held: Once::new(),
        accounts: accounts.clone(),
        inspections: inspections.clone(),
        recorder: Recorder::new(client.clone(), FIELD_MANAGER.into()),
        backoff: Backoff::default(),
        metrics,
    });

    // Apart from the controller, which must not begin before it can see the accounts.
    let of_account = inspections.clone();
    let accounts_watch = tokio::spawn(account_changes.for_each(move |change| {
        if let Ok(account) = change {
            for waiting in of_account.state_filter(|inspection| waits_for(inspection, &account)) {
                // Nobody listens only when the controller stops.
                let _ = wake.unbounded_send(Object::from_obj(&*waiting));
            }
        }
        ready(())
    }));
    let controller = Controller::for_stream(changes, inspections)
        .owns(watch::api::<Job>(&client, namespace), jobs)
        .reconcile_on(woken)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(shutdown.clone().cancelled_owned())
        .run(reconcile::reconcile, reconcile::error_policy, context)
        .for_each(async |result| log(result, error::Error::reason));
    if shutdown
        .run_until_cancelled(accounts.wait_until_ready())
        .await
        .is_some()
    {
        controller.await;
    }
    accounts_watch.abort();
}

/// Whether `inspection` could go on once `account` lets it.
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
