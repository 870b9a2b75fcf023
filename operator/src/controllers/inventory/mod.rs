//! Rounds that describe the instances, images and instance types that logs mention and nobody has described yet, and create an
//! ImageInspection for every image that only its disk can tell about.

mod describe;
mod inspections;
mod instance_types;

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
use instance_types::RegionBackoff;

/// Wait between two rounds. A round with nothing to do is four queries.
const ROUND: Duration = Duration::from_secs(5);

/// State shared by all rounds; `C` is the cloud.
struct Rounds<C> {
    client: Client,
    database: Pool,
    cloud: C,
    metrics: Metrics,
    accounts: Store<Guarded<CloudAccount>>,
    /// Only their existence matters
    inspections: Store<Guarded<ImageInspection>>,
    backoff: Backoff,
    /// Of regions that our own identity could not ask for instance types
    regions: RegionBackoff,
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
    let rounds = Rounds {
        client: runtime.client.clone(),
        database,
        cloud,
        metrics: runtime.metrics.clone(),
        accounts,
        inspections,
        backoff: Backoff::default(),
        regions: RegionBackoff::default(),
    };
    runtime
        .run_rounds("Inventory", ROUND, || rounds.round(Timestamp::now()))
        .await;
}

impl<C: Inventory + InstanceTypes> Rounds<C> {
    /// Describes everything that is due, then creates inspections of the images that only their disks can tell about.
    async fn round(&self, now: Timestamp) -> Result<(), StoreError> {
        self.describe(now).await?;
        self.count_unidentified().await?;
        self.describe_instance_types(now).await?;
        self.create_inspections().await
    }
}

impl<C> Rounds<C> {
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
