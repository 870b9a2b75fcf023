//! Describing instances and images with the role of an account that has them.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::Lookups;
use crate::controllers::role::{self, RoleError};
use cloudigrade_api::{CloudAccount, Conditions};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{CloudError, Inventory};
use cloudigrade_store::discovery::{self, FoundInstance};
use cloudigrade_store::inventory::{self, Due};
use cloudigrade_store::locks;
use cloudigrade_store::{Doing, StoreError};

/// Accounts and regions asked at once.
const AT_ONCE: usize = 8;

/// Kinds of things to describe.
#[derive(Clone, Copy, Debug)]
enum What {
    Instances,
    Images,
}

/// Why nothing was learned.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the CloudAccount is gone, suspended, or its role cannot be assumed")]
    Closed,
    #[error(transparent)]
    IamRole(#[from] RoleError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<C: Inventory> Lookups<C> {
    /// Describes everything that is due. What cannot be described now is put off, and holds up nothing else.
    pub(super) async fn describe(&self, now: Timestamp) -> Result<(), StoreError> {
        let instances = inventory::due_instances(&self.database, now).await?;
        // An instance can name an image that has to be described, so images come after.
        self.each(What::Instances, instances, now).await;
        let images = inventory::due_images(&self.database, now).await?;
        self.each(What::Images, images, now).await;
        Ok(())
    }

    async fn each(&self, what: What, due: Vec<Due>, now: Timestamp) {
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |due| self.one(what, due, now))
            .await;
    }

    async fn one(&self, what: What, due: Due, now: Timestamp) {
        let place = format!("{}/{}", due.account_id, due.region);
        let result = match what {
            What::Instances => self.instances(&due, now).await,
            What::Images => self.images(&due, now).await,
        };
        let Err(error) = result else {
            return self.backoff.reset(&place);
        };
        tracing::warn!(namespace = due.namespace, account = due.account, region = due.region, count = due.ids.len(), %error, "looking up {what:?}");
        let until = now
            .saturating_add(self.backoff.next(&place))
            .unwrap_or(Timestamp::MAX);
        if let Err(error) = inventory::put_off(&self.database, &due, until).await {
            tracing::warn!(%error, "putting off a lookup");
        }
    }

    async fn instances(&self, due: &Due, now: Timestamp) -> Result<(), Error> {
        let described = self
            .cloud
            .instances(&self.role(due).await?, &due.region, &due.ids)
            .await?;
        let found: Vec<FoundInstance> = described
            .into_iter()
            .filter(|instance| instance.image_id.is_some())
            .map(|instance| FoundInstance {
                id: instance.id,
                region: due.region.clone(),
                image_id: instance.image_id,
            })
            .collect();
        let doing = "saving the images of instances";
        let mut transaction = self.database.begin().await.doing(doing)?;
        locks::lock_exclusive(&mut transaction, &[due.enrolment]).await?;
        discovery::name_instances(&mut transaction, due.enrolment, &found).await?;
        transaction.commit().await.doing(doing)?;
        let missed = missed(&due.ids, found.iter().map(|instance| instance.id.as_str()));
        Ok(inventory::missed_instances(&self.database, due.enrolment, &missed, now).await?)
    }

    async fn images(&self, due: &Due, now: Timestamp) -> Result<(), Error> {
        let described = self
            .cloud
            .images(&self.role(due).await?, &due.region, &due.ids)
            .await?;
        discovery::describe_images(
            &self.database,
            &due.account_id,
            &due.region,
            &described,
            now,
        )
        .await?;
        let missed = missed(&due.ids, described.iter().map(|image| image.id.as_str()));
        Ok(inventory::missed_images(&self.database, &missed, now).await?)
    }

    async fn role(&self, due: &Due) -> Result<IamRole, Error> {
        let account = self
            .account(&due.namespace, &due.account)
            .filter(is_open)
            .ok_or(Error::Closed)?;
        Ok(role::resolve_role(&self.client, &account).await?)
    }
}

/// Returns whether the account can be asked. It need not be Ready: a trail that fails does not hide what runs.
fn is_open(account: &CloudAccount) -> bool {
    account.metadata.deletion_timestamp.is_none()
        && !account.spec.suspend
        && account
            .status
            .as_ref()
            .is_some_and(|status| status.conditions.is_true("AccessVerified"))
}

fn missed<'a>(asked: &[String], found: impl Iterator<Item = &'a str>) -> Vec<String> {
    let found: HashSet<&str> = found.collect();
    asked
        .iter()
        .filter(|id| !found.contains(id.as_str()))
        .cloned()
        .collect()
}
