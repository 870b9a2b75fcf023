//! Describing instances and images with the role of an account that has them.

use std::collections::HashSet;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::Rounds;
use crate::controllers::role::{self, RoleError};
use cloudigrade_api::{CloudAccount, Conditions};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{CloudError, Inventory};
use cloudigrade_store::discovery::{self, FoundInstance};
use cloudigrade_store::inventory::{self, Due};
use cloudigrade_store::{Changes, Doing, StoreError, accounts, invalidate};

/// Accounts and regions asked at once.
const CONCURRENCY: usize = 8;

/// The reason that nothing was learned.
#[derive(Debug, thiserror::Error)]
enum DescribeError {
    #[error("the CloudAccount is gone, suspended, or its role cannot be assumed")]
    Inaccessible,
    #[error(transparent)]
    IamRole(#[from] RoleError),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<C: Inventory> Rounds<C> {
    /// Describes everything that is due. A call that fails is repeated later, and holds up no other.
    pub(super) async fn describe(&self, now: Timestamp) -> Result<(), StoreError> {
        let instances = inventory::due_instances(&self.database, now).await?;
        // An instance can name an image that has to be described, so images come after.
        stream::iter(instances)
            .for_each_concurrent(CONCURRENCY, async |due| {
                let described = self.describe_instances(&due, now).await;
                self.note(described, due, now).await;
            })
            .await;
        let images = inventory::due_images(&self.database, now).await?;
        stream::iter(images)
            .for_each_concurrent(CONCURRENCY, async |due| {
                let described = self.describe_images(&due, now).await;
                self.note(described, due, now).await;
            })
            .await;
        Ok(())
    }

    /// Postpones the next try after an error; each in a row makes the wait longer.
    async fn note(&self, described: Result<(), DescribeError>, due: Due, now: Timestamp) {
        let place = format!("{}/{}", due.account_id, due.region);
        let Err(error) = described else {
            return self.backoff.reset(&place);
        };
        let Due {
            namespace,
            account,
            region,
            ids,
            ..
        } = &due;
        tracing::warn!(namespace, account, region, ?ids, %error, "describing failed and will be repeated");
        let until = now
            .saturating_add(self.backoff.next(&place))
            .unwrap_or(Timestamp::MAX);
        if let Err(error) = inventory::put_off(&self.database, &due, until).await {
            tracing::warn!(%error, "postponing a description");
        }
    }

    async fn describe_instances(&self, due: &Due, now: Timestamp) -> Result<(), DescribeError> {
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
        accounts::lock(&mut transaction, [due.key]).await?;
        let mut changes = Changes::default();
        discovery::name_instances(&mut transaction, due.key, &found, &mut changes).await?;
        invalidate(&mut transaction, &changes).await?;
        transaction.commit().await.doing(doing)?;
        let undescribed = undescribed(&due.ids, found.iter().map(|instance| instance.id.as_str()));
        Ok(inventory::missed_instances(&self.database, due.key, &undescribed, now).await?)
    }

    async fn describe_images(&self, due: &Due, now: Timestamp) -> Result<(), DescribeError> {
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
        let undescribed = undescribed(&due.ids, described.iter().map(|image| image.id.as_str()));
        Ok(inventory::missed_images(&self.database, &undescribed, now).await?)
    }

    async fn role(&self, due: &Due) -> Result<IamRole, DescribeError> {
        let account = self
            .account(&due.namespace, &due.account)
            .filter(is_accessible)
            .ok_or(DescribeError::Inaccessible)?;
        Ok(role::resolve_role(&self.client, &account).await?)
    }
}

/// Returns whether the account can be asked. It need not be Ready: a trail that fails does not hide what runs.
fn is_accessible(account: &CloudAccount) -> bool {
    account.metadata.deletion_timestamp.is_none()
        && !account.spec.suspend
        && account
            .status
            .as_ref()
            .is_some_and(|status| status.conditions.is_true("AccessVerified"))
}

fn undescribed<'a>(asked: &[String], found: impl Iterator<Item = &'a str>) -> Vec<String> {
    let found: HashSet<&str> = found.collect();
    asked
        .iter()
        .filter(|id| !found.contains(id.as_str()))
        .cloned()
        .collect()
}
