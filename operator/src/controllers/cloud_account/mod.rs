//! CloudAccount: a [pipeline](pipeline) of [steps], or the [deletion]; each ends in one [status].
//!
//! Each step has one condition: `AccessVerified`, `TrailConfigured` and `Discovered` make up `Ready`, `EventsFlowing` informs.

mod conditions;
mod context;
mod deletion;
mod demanded;
mod error;
mod pipeline;
mod reconcile;
mod role_cache;
mod schedule;
mod status;
mod steps;
mod trigger;

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
    let changed = trigger::changed_accounts(context.database.clone(), store.clone());
    let controller = Controller::for_stream(changes, store).reconcile_on(changed);
    let runtime = context.runtime.clone();
    runtime.run_controller(controller, context).await;
}

#[cfg(test)]
mod tests;
