//! The trail: created, and repaired when somebody has changed it. The settings are the
//! original's (`docs/design/original.md#trail`).

use super::TRAIL_CONFIGURED;
use super::claim::ClaimedAccount;
use crate::controllers::cloud_account::context::{AccountContext, Cloud};
use crate::controllers::cloud_account::error::{AccountError, ForCondition, StepError};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate, TrailStatus};
use cloudigrade_cloud::{
    CloudError, ErrorKind, IamRole, LoggingStatus, RoleArn, Trail, TrailConfiguration, Trails,
};

/// A trail that is as it should be.
#[derive(Debug)]
pub(crate) struct ConfiguredTrail {
    /// The trail, for the status
    pub(crate) trail: TrailStatus,
    /// Its name
    name: String,
    /// Settings that somebody had changed
    pub(crate) repairs: Vec<&'static str>,
    /// Its deliveries; `None` when the role may not ask
    pub(crate) logging: Option<LoggingStatus>,
}

/// A trail as found; what the role may not ask for is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ObservedTrail {
    trail: Option<Trail>,
    writes_only: Option<bool>,
    logging: Option<LoggingStatus>,
}

/// One repair of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Create,
    Update,
    Select,
    Start,
}

/// Creates the trail, or repairs it.
pub(crate) async fn configure<C: Cloud>(
    claimed: &ClaimedAccount,
    account: &CloudAccount,
    context: &AccountContext<C>,
) -> Result<ConfiguredTrail, StepError> {
    let role = &claimed.role;
    let wanted = wanted(account, &role.arn, &context.trail_bucket);
    let adopt = account.spec.aws.trail.adopt;
    sync(&wanted, adopt, reported(account), role, &context.cloud)
        .await
        .for_condition(TRAIL_CONFIGURED)
}

/// The condition of a trail that is as it should be.
pub(crate) fn configured(trail: &ConfiguredTrail) -> ConditionUpdate {
    ConditionUpdate {
        type_: TRAIL_CONFIGURED,
        status: ConditionStatus::True,
        reason: "TrailLogging",
        message: format!(
            "trail {} records all regions into bucket {}",
            trail.name, trail.trail.bucket
        ),
    }
}

/// The condition of an account that is to have no trail.
pub(crate) fn suspended() -> ConditionUpdate {
    ConditionUpdate {
        type_: TRAIL_CONFIGURED,
        status: ConditionStatus::False,
        reason: "Suspended",
        message: "the trail is removed while spec.suspend is set".into(),
    }
}

/// The condition of a trail that deletion has not removed.
pub(crate) fn not_deleted(reason: &'static str, message: String) -> ConditionUpdate {
    ConditionUpdate {
        type_: TRAIL_CONFIGURED,
        status: ConditionStatus::False,
        reason,
        message,
    }
}

async fn sync(
    wanted: &TrailConfiguration,
    adopt: bool,
    before: Option<&TrailStatus>,
    role: &IamRole,
    cloud: &impl Trails,
) -> Result<ConfiguredTrail, AccountError> {
    let observed = observe(role, &wanted.name, cloud).await?;
    let repairs = plan_repairs(wanted, adopt, before, &observed)?;
    let (arn, home_region) = repair(role, wanted, &repairs, &observed, cloud).await?;

    if let Some(old) = before
        .and_then(|before| trail_name(&before.arn))
        .filter(|old| *old != wanted.name)
    {
        cloud
            .delete_trail(role, old)
            .await
            .map_err(|error| explain(error, wanted))?;
    }
    let logging = match &observed.logging {
        Some(status) => Some(LoggingStatus {
            logging: true,
            ..status.clone()
        }),
        None => allowed(cloud.logging_status(role, &wanted.name).await)?,
    };
    Ok(ConfiguredTrail {
        name: wanted.name.clone(),
        repairs: drift(&repairs, &observed),
        trail: TrailStatus {
            arn,
            home_region,
            bucket: wanted.bucket.clone(),
        },
        logging,
    })
}

/// Deletes the trail, if it is ours. A trail that is gone already is success.
pub(crate) async fn remove<C: Cloud>(
    account: &CloudAccount,
    role: &IamRole,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    let cloud = &context.cloud;
    let wanted = wanted(account, &role.arn, &context.trail_bucket);
    let name = reported(account)
        .and_then(|before| trail_name(&before.arn))
        .unwrap_or(&wanted.name);
    match cloud
        .trail(role, name)
        .await
        .map_err(|error| explain(error, &wanted))?
    {
        Some(trail) if trail.bucket == wanted.bucket => cloud
            .delete_trail(role, name)
            .await
            .map_err(|error| explain(error, &wanted)),
        // Somebody else's by now, or never ours.
        _ => Ok(()),
    }
}

/// The trail by the status.
fn reported(account: &CloudAccount) -> Option<&TrailStatus> {
    account.status.as_ref()?.trail.as_ref()
}

/// The trail that `account` should have.
fn wanted(account: &CloudAccount, arn: &RoleArn, bucket: &str) -> TrailConfiguration {
    let name = account.spec.aws.trail.name.clone();
    TrailConfiguration {
        name: name.unwrap_or_else(|| format!("cloudigrade-{}", arn.account_id())),
        bucket: bucket.to_owned(),
    }
}

/// The name in a trail's ARN.
fn trail_name(arn: &str) -> Option<&str> {
    arn.split_once(":trail/").map(|(_, name)| name)
}

async fn observe(
    role: &IamRole,
    name: &str,
    cloud: &impl Trails,
) -> Result<ObservedTrail, AccountError> {
    let Some(trail) = cloud.trail(role, name).await.map_err(denied)? else {
        return Ok(ObservedTrail::default());
    };
    let (writes_only, logging) = tokio::join!(
        cloud.has_write_only_selectors(role, name),
        cloud.logging_status(role, name)
    );
    Ok(ObservedTrail {
        trail: Some(trail),
        writes_only: allowed(writes_only)?,
        logging: allowed(logging)?,
    })
}

/// Does without an answer that the role may not ask for: the original's policy lacks both permissions, and customers may still
/// have it (`docs/design/original.md#permissions`).
fn allowed<T>(answer: Result<T, CloudError>) -> Result<Option<T>, AccountError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::Denied => Ok(None),
        Err(error) => Err(AccountError::Cloud(error)),
    }
}

/// Returns the repairs, in order. Settings that can't be read are repaired every time, which changes nothing if they are right.
fn plan_repairs(
    wanted: &TrailConfiguration,
    adopt: bool,
    before: Option<&TrailStatus>,
    observed: &ObservedTrail,
) -> Result<Vec<Repair>, AccountError> {
    let Some(trail) = &observed.trail else {
        return Ok(vec![Repair::Create, Repair::Select, Repair::Start]);
    };
    let ours =
        trail.bucket == wanted.bucket || before.is_some_and(|before| before.arn == trail.arn);
    if !ours && !adopt {
        return Err(AccountError::ForeignTrail {
            name: wanted.name.clone(),
            bucket: trail.bucket.clone(),
        });
    }
    let as_wanted = trail.bucket == wanted.bucket
        && trail.multi_region
        && trail.global_events
        && !trail.prefixed;
    let logging = observed
        .logging
        .as_ref()
        .is_some_and(|status| status.logging);
    let repairs = [
        (!as_wanted, Repair::Update),
        (observed.writes_only != Some(true), Repair::Select),
        (!logging, Repair::Start),
    ];
    Ok(repairs
        .into_iter()
        .filter_map(|(needed, repair)| needed.then_some(repair))
        .collect())
}

/// Describes the repairs of settings that were found to be changed.
fn drift(repairs: &[Repair], observed: &ObservedTrail) -> Vec<&'static str> {
    let drift = |repair: &Repair| match repair {
        Repair::Update => Some("where and what it records"),
        Repair::Select => observed.writes_only.map(|_| "which events it records"),
        Repair::Start => observed.logging.as_ref().map(|_| "that it records at all"),
        Repair::Create => None,
    };
    if observed.trail.is_none() {
        Vec::new()
    } else {
        repairs.iter().filter_map(drift).collect()
    }
}

/// Makes the repairs; returns the trail's ARN and home region.
async fn repair(
    role: &IamRole,
    wanted: &TrailConfiguration,
    repairs: &[Repair],
    observed: &ObservedTrail,
    cloud: &impl Trails,
) -> Result<(String, String), AccountError> {
    let mut arn = observed
        .trail
        .as_ref()
        .map(|trail| trail.arn.clone())
        .unwrap_or_default();
    for repair in repairs {
        let result = match repair {
            Repair::Create => cloud
                .create_trail(role, wanted)
                .await
                .map(|created| arn = created),
            Repair::Update => cloud.update_trail(role, wanted).await,
            Repair::Select => cloud.put_write_only_selectors(role, &wanted.name).await,
            Repair::Start => cloud.start_logging(role, &wanted.name).await,
        };
        result.map_err(|error| explain(error, wanted))?;
    }
    // arn:aws:cloudtrail:REGION:ACCOUNT:trail/NAME
    let home_region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    Ok((arn, home_region))
}

fn explain(error: CloudError, wanted: &TrailConfiguration) -> AccountError {
    match error.kind {
        ErrorKind::LimitExceeded => AccountError::TrailLimit(error),
        ErrorKind::BucketRefused => AccountError::TrailBucket(error, wanted.bucket.clone()),
        _ => denied(error),
    }
}

/// Tells a refused session, for which the role could not be assumed, from a refused call.
fn denied(error: CloudError) -> AccountError {
    match (error.kind, error.operation) {
        (ErrorKind::Denied, "AssumeRole") => AccountError::RoleRefused(error),
        (ErrorKind::Denied, _) => AccountError::Denied(error),
        _ => AccountError::Cloud(error),
    }
}

#[cfg(test)]
mod tests;
