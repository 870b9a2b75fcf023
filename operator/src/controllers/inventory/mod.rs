//! Looks up what logs mention and nobody has described yet: instances, images, instance types; and asks for an inspection of every image that only its disk
//! can tell about.

mod describe;
mod inspect;
mod types;

use std::time::Duration;

use futures::future::join;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};

use crate::controllers::backoff::Backoff;
use crate::controllers::runtime::Runtime;
use crate::controllers::watch::Guarded;
use crate::telemetry::{KindLabel, Metrics};
use cloudigrade_api::{CloudAccount, ImageInspection};
use cloudigrade_cloud::{InstanceTypes, Inventory};
use cloudigrade_store::inventory;
use cloudigrade_store::{Pool, StoreError};
use types::Refusals;

/// Wait between two rounds. A round with nothing to do is four queries.
const ROUND: Duration = Duration::from_secs(5);

/// State shared by all rounds; `C` is the cloud.
struct Lookups<C> {
    client: Client,
    database: Pool,
    cloud: C,
    metrics: Metrics,
    accounts: Store<Guarded<CloudAccount>>,
    /// Only that they exist matters.
    inspections: Store<Guarded<ImageInspection>>,
    backoff: Backoff,
    /// Regions that our own identity could not ask for instance types.
    refusals: Refusals,
}

/// Works in rounds until shutdown, on the objects of two watches.
pub async fn run<C: Inventory + InstanceTypes>(
    runtime: Runtime,
    database: Pool,
    cloud: C,
    accounts: Store<Guarded<CloudAccount>>,
    inspections: Store<Guarded<ImageInspection>>,
) {
    // Only dropped writers make these fail, and they live until shutdown.
    let ready = join(accounts.wait_until_ready(), inspections.wait_until_ready());
    if runtime.shutdown.run_until_cancelled(ready).await.is_none() {
        return;
    }
    let lookups = Lookups {
        client: runtime.client.clone(),
        database,
        cloud,
        metrics: runtime.metrics.clone(),
        accounts,
        inspections,
        backoff: Backoff::default(),
        refusals: Refusals::default(),
    };
    runtime
        .run_rounds("Inventory", ROUND, || lookups.round(Timestamp::now()))
        .await;
}

impl<C: Inventory + InstanceTypes> Lookups<C> {
    /// Describes what is due, then asks for inspections of what only its disk can tell about.
    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.describe(now).await?;
        self.count_unidentified().await?;
        self.size_types(now).await?;
        self.ask_for_inspections().await
    }
}

impl<C> Lookups<C> {
    async fn count_unidentified(&self) -> Result<(), StoreError> {
        let (instances, images) = inventory::unidentified(&self.database).await?;
        for (kind, count) in [("instance", instances), ("image", images)] {
            self.metrics
                .unidentified
                .get_or_create(&KindLabel { kind })
                .set(count);
        }
        Ok(())
    }

    /// The account of that namespace and name, if there is one that can be read.
    fn account(&self, namespace: &str, name: &str) -> Option<CloudAccount> {
        self.accounts
            .get(&ObjectRef::new(name).within(namespace))?
            .0
            .as_ref()
            .ok()
            .cloned()
    }
}

#[cfg(test)]
mod tests;
