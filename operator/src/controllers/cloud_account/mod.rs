//! CloudAccount: each pass observes, decides, acts and reports.
//!
//! What is acted on is a list of [`steps`], each of which owns one condition: `AccessVerified`, `TrailConfigured` and
//! `Discovered` make up `Ready`, `EventsFlowing` informs. A step that fails stops those after it.

mod act;
mod cleanup;
mod conditions;
mod context;
mod decide;
mod error;
mod observe;
mod reconcile;
mod report;
mod roles;
mod schedule;
mod steps;
mod wake;

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::predicates::{finalizers, generation};
use kube::runtime::reflector::{reflector, store};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt, watcher};
use tokio_util::sync::CancellationToken;

use crate::controllers::log::log;
use cloudigrade_api::CloudAccount;

pub use context::{Cloud, Context};

/// Passes at once; each waits mostly for others.
const CONCURRENCY: u16 = 16;

/// One that cannot be read does not stop the others.
type Guarded = DeserializeGuard<CloudAccount>;

/// Reconciles CloudAccounts, of one namespace or of all, until `shutdown`; passes under way are finished.
pub async fn run<C: Cloud>(
    context: Context<C>,
    namespace: Option<&str>,
    shutdown: CancellationToken,
) {
    let accounts: Api<Guarded> = match namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let (reader, writer) = store();
    // Not woken by our own status; by a new spec, a deletion, and a finalizer that someone took off.
    let changes = reflector(writer, watcher(accounts, watcher::Config::default()))
        .default_backoff()
        .modify(|account| account.managed_fields_mut().clear())
        .touched_objects()
        .predicate_filter(generation.combine(finalizers), PredicateConfig::default());
    let woken = wake::changed_accounts(context.database.clone(), reader.clone());
    Controller::for_stream(changes, reader)
        .reconcile_on(woken)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(
            reconcile::reconcile,
            reconcile::error_policy,
            Arc::new(context),
        )
        .for_each(|result| async { log(result, error::Error::reason) })
        .await;
}

#[cfg(test)]
mod tests;
