//! The trail: made, and put right when somebody has changed it (§3.3).

use super::TRAIL_CONFIGURED;
use crate::controllers::cloud_account::context::{AccountContext, Cloud};
use crate::controllers::cloud_account::error::AccountError;
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate, TrailStatus as Reported};
use cloudigrade_cloud::{CloudError, ErrorKind, LoggingStatus, Trail, TrailConfiguration, Trails};
use cloudigrade_cloud::{IamRole, RoleArn};

/// A trail that is as it should be.
#[derive(Debug)]
pub(in crate::controllers::cloud_account) struct Configured {
    pub(in crate::controllers::cloud_account) change: ConditionUpdate,
    pub(in crate::controllers::cloud_account) trail: Reported,
    /// What somebody had changed.
    pub(in crate::controllers::cloud_account) repairs: Vec<&'static str>,
    /// What the trail does; `None` when the role may not ask.
    pub(in crate::controllers::cloud_account) status: Option<LoggingStatus>,
}

/// A trail as found; what the role may not ask for is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    trail: Option<Trail>,
    writes_only: Option<bool>,
    status: Option<LoggingStatus>,
}

/// One thing to do about a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Create,
    Update,
    Select,
    Start,
}

/// Makes the trail what it should be.
pub(in crate::controllers::cloud_account) async fn configure<C: Cloud>(
    account: &CloudAccount,
    role: &IamRole,
    context: &AccountContext<C>,
) -> Result<Configured, AccountError> {
    let cloud = &context.cloud;
    let wanted = wanted(account, &role.arn, &context.trail_bucket);
    let before = account
        .status
        .as_ref()
        .and_then(|status| status.trail.as_ref());

    let seen = observe(role, &wanted.name, cloud).await?;
    let repairs = decide(&wanted, account.spec.aws.trail.adopt, before, &seen)?;
    let (arn, home_region) = act(role, &wanted, &repairs, &seen, cloud).await?;

    if let Some(old) = before
        .and_then(|before| trail_name(&before.arn))
        .filter(|old| *old != wanted.name)
    {
        cloud
            .delete_trail(role, old)
            .await
            .map_err(|error| explain(error, &wanted))?;
    }
    let status = match &seen.status {
        Some(status) => Some(LoggingStatus {
            logging: true,
            ..status.clone()
        }),
        None => allowed(cloud.logging_status(role, &wanted.name).await)?,
    };
    Ok(Configured {
        change: ConditionUpdate {
            type_: TRAIL_CONFIGURED,
            status: ConditionStatus::True,
            reason: "TrailLogging",
            message: format!(
                "trail {} records all regions into bucket {}",
                wanted.name, wanted.bucket
            ),
        },
        repairs: drift(&repairs, &seen),
        trail: Reported {
            arn,
            home_region,
            bucket: wanted.bucket,
        },
        status,
    })
}

/// Removes the trail, if it is ours. That it is gone already is fine.
pub(in crate::controllers::cloud_account) async fn remove<C: Cloud>(
    account: &CloudAccount,
    role: &IamRole,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    let cloud = &context.cloud;
    let wanted = wanted(account, &role.arn, &context.trail_bucket);
    let before = account
        .status
        .as_ref()
        .and_then(|status| status.trail.as_ref());
    let name = before
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

async fn observe(role: &IamRole, name: &str, cloud: &impl Trails) -> Result<Seen, AccountError> {
    let Some(trail) = cloud.trail(role, name).await.map_err(denied)? else {
        return Ok(Seen::default());
    };
    let (writes_only, status) = tokio::join!(
        cloud.has_write_only_selectors(role, name),
        cloud.logging_status(role, name)
    );
    Ok(Seen {
        trail: Some(trail),
        writes_only: allowed(writes_only)?,
        status: allowed(status)?,
    })
}

/// These two permissions are no part of the original's policy (§3.1): where they are missing we do without.
fn allowed<T>(answer: Result<T, CloudError>) -> Result<Option<T>, AccountError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::Denied => Ok(None),
        Err(error) => Err(AccountError::Cloud(error)),
    }
}

/// What there is to do, in order. What cannot be seen is done every time: each of these can be repeated.
fn decide(
    wanted: &TrailConfiguration,
    adopt: bool,
    before: Option<&Reported>,
    seen: &Seen,
) -> Result<Vec<Repair>, AccountError> {
    let Some(trail) = &seen.trail else {
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
    let logging = seen.status.as_ref().is_some_and(|status| status.logging);
    let repairs = [
        (!as_wanted, Repair::Update),
        (seen.writes_only != Some(true), Repair::Select),
        (!logging, Repair::Start),
    ];
    Ok(repairs
        .into_iter()
        .filter_map(|(needed, repair)| needed.then_some(repair))
        .collect())
}

/// Which of the repairs put right what was seen to be wrong, in words.
fn drift(repairs: &[Repair], seen: &Seen) -> Vec<&'static str> {
    let drift = |repair: &Repair| match repair {
        Repair::Update => Some("where and what it records"),
        Repair::Select => seen.writes_only.map(|_| "which events it records"),
        Repair::Start => seen.status.as_ref().map(|_| "that it records at all"),
        Repair::Create => None,
    };
    if seen.trail.is_none() {
        Vec::new()
    } else {
        repairs.iter().filter_map(drift).collect()
    }
}

/// Does the repairs; the trail's ARN and home region.
async fn act(
    role: &IamRole,
    wanted: &TrailConfiguration,
    repairs: &[Repair],
    seen: &Seen,
    cloud: &impl Trails,
) -> Result<(String, String), AccountError> {
    let mut arn = seen
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
    match error.code.as_str() {
        "MaximumNumberOfTrailsExceededException" => AccountError::TrailLimit(error),
        "InsufficientS3BucketPolicyException" | "S3BucketDoesNotExistException" => {
            AccountError::TrailBucket(error, wanted.bucket.clone())
        }
        _ => denied(error),
    }
}

/// A refused session is another thing than a refused call: here the role was assumed.
fn denied(error: CloudError) -> AccountError {
    match (error.kind, error.operation) {
        (ErrorKind::Denied, "AssumeRole") => AccountError::RoleRefused(error),
        (ErrorKind::Denied, _) => AccountError::Denied(error),
        _ => AccountError::Cloud(error),
    }
}

#[cfg(test)]
#[path = "trail_tests.rs"]
mod tests;
