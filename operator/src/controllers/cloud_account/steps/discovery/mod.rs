//! Discovery: the instances that run now, and the power events that no log has reported, as in the
//! original (`docs/design/original.md#discovery`). Images that this brings to light are described like those that logs mention,
//! by [`crate::controllers::inventory`].

mod missing;

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::DISCOVERED;
use super::claim::EnabledAccount;
use crate::controllers::cloud_account::context::{AccountContext, Cloud};
use crate::controllers::cloud_account::error::{AccountError, ForCondition, StepError};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate};
use cloudigrade_cloud::{CloudError, ErrorKind, IamRole, InstanceDescription, Inventory};
use cloudigrade_store::discovery::{self, FoundInstance};
use cloudigrade_store::enrolments::whole_second;
use cloudigrade_store::{AccountKey, Changes, Doing, accounts, events, invalidate};

/// Regions asked side by side.
const REGIONS_AT_ONCE: usize = 16;

/// One look at all regions of an account.
#[derive(Clone, Copy, Debug)]
struct DiscoveryRun {
    /// The account that has the instances
    account: AccountKey,
    /// A time before the look began. To the second, as periods begin: an instance that ended unseen before a period does not count in it
    at: Timestamp,
}

/// The instances of the regions.
#[derive(Debug, Default)]
struct ObservedInstances {
    /// Regions that answered
    regions: BTreeSet<String>,
    /// Regions that did not, each with its error
    failed: Vec<(String, CloudError)>,
    /// Region and instance
    instances: Vec<(String, InstanceDescription)>,
}

/// An account all of whose running instances are known.
#[derive(Debug)]
pub(crate) struct DiscoveredAccount {
    /// Number of regions
    regions: usize,
}

/// Looks at every region, and records the instances and events that are missing.
pub(crate) async fn discover<C: Cloud>(
    enabled: EnabledAccount,
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<DiscoveredAccount, StepError> {
    let run = DiscoveryRun {
        account: enabled.account,
        at: whole_second(now),
    };
    let observed = observe(&account.spec.aws.regions, &enabled.role, &context.cloud)
        .await
        .for_condition(DISCOVERED)?;
    record(&observed, run, context)
        .await
        .for_condition(DISCOVERED)?;
    complete(observed).for_condition(DISCOVERED)
}

/// The condition of an account all of whose running instances are known.
pub(crate) fn discovered(account: &DiscoveredAccount) -> ConditionUpdate {
    ConditionUpdate {
        type_: DISCOVERED,
        status: ConditionStatus::True,
        reason: "RegionsDescribed",
        message: format!("all instances of {} regions are known", account.regions),
    }
}

/// Succeeds when every region answered.
fn complete(observed: ObservedInstances) -> Result<DiscoveredAccount, AccountError> {
    let looked_at = observed.regions.len() + observed.failed.len();
    let Some((_, first)) = observed.failed.first().cloned() else {
        return Ok(DiscoveredAccount { regions: looked_at });
    };
    let regions = observed.failed.into_iter().map(|(region, _)| region);
    Err(AccountError::Regions {
        regions: regions.collect(),
        looked_at,
        first,
    })
}

async fn observe(
    wanted: &[String],
    role: &IamRole,
    cloud: &impl Inventory,
) -> Result<ObservedInstances, AccountError> {
    let regions = if wanted.is_empty() {
        cloud.regions(role).await.map_err(denied)?
    } else {
        wanted.to_vec()
    };
    let looks = regions.into_iter().map(|region| async {
        let instances = cloud.instances(role, &region, &[]).await;
        (region, instances)
    });
    let mut observed = ObservedInstances::default();
    let mut looks = stream::iter(looks).buffer_unordered(REGIONS_AT_ONCE);
    while let Some((region, instances)) = looks.next().await {
        match instances {
            Ok(instances) => {
                observed.instances.extend(
                    instances
                        .into_iter()
                        .map(|instance| (region.clone(), instance)),
                );
                observed.regions.insert(region);
            }
            Err(error) => observed.failed.push((region, error)),
        }
    }
    // The order of the answers must not change the message.
    observed.failed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(observed)
}

fn denied(error: CloudError) -> AccountError {
    match error.kind {
        ErrorKind::Denied => AccountError::Denied(error),
        _ => AccountError::Cloud(error),
    }
}

/// Records instances, and the events that are missing, in one transaction.
async fn record<C>(
    observed: &ObservedInstances,
    run: DiscoveryRun,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    const DOING: &str = "recording what was discovered";
    let mut transaction = context.database.begin().await.doing(DOING)?;
    accounts::lock(&mut transaction, [run.account]).await?;
    let known = discovery::instances(&mut transaction, run.account).await?;
    let missing = missing::events(&known, observed, run);
    let mut changes = Changes::default();
    events::record(&mut transaction, &missing, &mut changes).await?;
    let found: Vec<FoundInstance> = observed
        .instances
        .iter()
        .filter(|(_, instance)| !instance.gone)
        .map(|(region, instance)| FoundInstance {
            id: instance.id.clone(),
            region: region.clone(),
            image_id: instance.image_id.clone(),
        })
        .collect();
    discovery::name_instances(&mut transaction, run.account, &found, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)?;
    Ok(())
}
