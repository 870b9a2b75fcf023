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
use kube::runtime::controller::Controller;
use kube::runtime::predicates::{finalizers, generation};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt};

use crate::controllers::watch::{Guarded, Subscription};
use cloudigrade_api::CloudAccount;

pub use context::{AccountContext, Cloud};

/// Reconciles CloudAccounts until shutdown.
pub async fn run<C: Cloud>(context: AccountContext<C>, accounts: Subscription<CloudAccount>) {
    let Subscription { store, changes } = accounts;
    // Not triggered by our own status; by a new spec, a deletion, and a finalizer that someone removed.
    let changes = changes
        .map(|account: Arc<Guarded<CloudAccount>>| Ok((*account).clone()))
        .predicate_filter(generation.combine(finalizers), PredicateConfig::default());
    let changed = wake::changed_accounts(context.database.clone(), store.clone());
    let controller = Controller::for_stream(changes, store).reconcile_on(changed);
    let runtime = context.runtime.clone();
    runtime.run_controller(controller, context).await;
}

#[cfg(test)]
mod tests;
