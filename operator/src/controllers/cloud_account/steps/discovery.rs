//! Discovery: what runs now, and the power events that nobody told us of (§2.5). Images that this brings to light are
//! described like those that logs mention, by [`crate::controllers::inventory`].

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use metering::cloudtrail::EventKind;

use super::DISCOVERED;
use crate::controllers::cloud_account::context::{AccountContext, Cloud};
use crate::controllers::cloud_account::error::AccountError;
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{CloudError, ErrorKind, Instance, InstanceState, Inventory};
use cloudigrade_store::Doing;
use cloudigrade_store::discovery::{self, FoundInstance, KnownInstance};
use cloudigrade_store::events::{self, NewEvent};
use cloudigrade_store::ledger;

/// Regions looked at side by side.
const REGIONS_AT_ONCE: usize = 16;
/// EC2 shows a change only some time after it was asked for. An event this young knows better than a look.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// One look at an account.
#[derive(Clone, Copy, Debug)]
pub(in crate::controllers::cloud_account) struct Look {
    /// Whose instances these are
    pub(in crate::controllers::cloud_account) enrolment: i64,
    /// Nothing before counts
    pub(in crate::controllers::cloud_account) enabled_at: Timestamp,
    /// A time before the look began
    pub(in crate::controllers::cloud_account) at: Timestamp,
}

/// What the regions hold.
#[derive(Debug, Default)]
struct Seen {
    /// Regions that were looked at
    regions: BTreeSet<String>,
    /// Regions that could not be, and why
    failed: Vec<(String, CloudError)>,
    /// Region and instance
    instances: Vec<(String, Instance)>,
}

/// Looks at every region, and records what it did not know.
pub(in crate::controllers::cloud_account) async fn discover<C: Cloud>(
    account: &CloudAccount,
    role: &IamRole,
    look: Look,
    context: &AccountContext<C>,
) -> Result<ConditionUpdate, AccountError> {
    let seen = observe(&account.spec.aws.regions, role, &context.cloud).await?;
    record(&seen, look, context).await?;

    let looked_at = seen.regions.len() + seen.failed.len();
    let Some((_, first)) = seen.failed.first().cloned() else {
        let message = format!("all instances of {looked_at} regions are known");
        return Ok(ConditionUpdate {
            type_: DISCOVERED,
            status: ConditionStatus::True,
            reason: "RegionsDescribed",
            message,
        });
    };
    let regions = seen.failed.into_iter().map(|(region, _)| region).collect();
    Err(AccountError::Regions {
        regions,
        looked_at,
        first,
    })
}

async fn observe(
    wanted: &[String],
    role: &IamRole,
    cloud: &impl Inventory,
) -> Result<Seen, AccountError> {
    let regions = if wanted.is_empty() {
        cloud.regions(role).await.map_err(denied)?
    } else {
        wanted.to_vec()
    };
    let looks = regions.into_iter().map(|region| async {
        let instances = cloud.instances(role, &region, &[]).await;
        (region, instances)
    });
    let mut seen = Seen::default();
    let mut looks = stream::iter(looks).buffer_unordered(REGIONS_AT_ONCE);
    while let Some((region, instances)) = looks.next().await {
        match instances {
            Ok(instances) => {
                seen.instances.extend(
                    instances
                        .into_iter()
                        .map(|instance| (region.clone(), instance)),
                );
                seen.regions.insert(region);
            }
            Err(error) => seen.failed.push((region, error)),
        }
    }
    // In whatever order the answers came, the message is the same.
    seen.failed.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(seen)
}

fn denied(error: CloudError) -> AccountError {
    match error.kind {
        ErrorKind::Denied => AccountError::Denied(error),
        _ => AccountError::Cloud(error),
    }
}

/// Instances, and the events that are missing, in one transaction.
async fn record<C>(
    seen: &Seen,
    look: Look,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    const DOING: &str = "recording what was discovered";
    let mut transaction = context.database.begin().await.doing(DOING)?;
    ledger::lock(&mut transaction, &[look.enrolment]).await?;
    let known = discovery::instances(&mut transaction, look.enrolment).await?;
    let missing = missing_events(&known, seen, look);
    events::record(&mut transaction, &missing).await?;
    let found: Vec<FoundInstance> = seen
        .instances
        .iter()
        .filter(|(_, instance)| !instance.gone)
        .map(|(region, instance)| FoundInstance {
            id: instance.id.clone(),
            region: region.clone(),
            image_id: instance.image_id.clone(),
        })
        .collect();
    discovery::name_instances(&mut transaction, look.enrolment, &found).await?;
    transaction.commit().await.doing(DOING)?;
    Ok(())
}

/// The power events that happened and that no log told us of. Their ids follow from what they say, so that the same
/// look twice adds nothing.
fn missing_events(known: &[KnownInstance], seen: &Seen, look: Look) -> Vec<NewEvent> {
    let newest: HashMap<&str, (EventKind, Timestamp)> = known
        .iter()
        .filter_map(|instance| Some((instance.id.as_str(), instance.power?)))
        .collect();
    let found: BTreeSet<&str> = seen
        .instances
        .iter()
        .map(|(_, instance)| instance.id.as_str())
        .collect();

    let met: BTreeSet<&str> = known.iter().map(|instance| instance.id.as_str()).collect();
    let of_found = seen.instances.iter().filter_map(|(region, instance)| {
        let id = instance.id.as_str();
        let (kind, at) = missing(instance.power, newest.get(id).copied(), look)
            .or_else(|| (!met.contains(id)).then(|| first_type(instance, look))?)?;
        let (image_id, instance_type) = (instance.image_id.clone(), instance.instance_type.clone());
        Some(NewEvent {
            image_id,
            instance_type,
            ..event(look.enrolment, region, id, kind, at)
        })
    });
    // EC2 forgets an instance an hour after its end.
    let gone = known.iter().filter(|instance| {
        seen.regions.contains(&instance.region) && !found.contains(instance.id.as_str())
    });
    let of_gone = gone.filter_map(|instance| {
        let (kind, at) = missing(InstanceState::Off { since: None }, instance.power, look)?;
        Some(event(
            look.enrolment,
            &instance.region,
            &instance.id,
            kind,
            at,
        ))
    });
    of_found.chain(of_gone).collect()
}

/// The event that leads from an instance's newest one to what is seen now.
///
/// It takes the cloud's own time, where that fits what is known: then an event of the same that is still on its way
/// from CloudTrail changes nothing when it arrives. Otherwise it takes the time of the look.
fn missing(
    power: InstanceState,
    newest: Option<(EventKind, Timestamp)>,
    look: Look,
) -> Option<(EventKind, Timestamp)> {
    if newest.is_some_and(|(_, at)| at > look.at - SETTLING) {
        return None;
    }
    let runs = matches!(newest, Some((EventKind::PowerOn, _)));
    let fits = |since: &Timestamp| *since <= look.at && newest.is_none_or(|(_, at)| *since > at);
    let (kind, since) = match power {
        InstanceState::On { since } if !runs => (EventKind::PowerOn, Some(since)),
        InstanceState::Off { since } if runs => (EventKind::PowerOff, since),
        _ => return None,
    };
    Some((
        kind,
        since.filter(fits).unwrap_or(look.at).max(look.enabled_at),
    ))
}

/// The event that tells the type of an instance that is off when it is first met: the record of its start will not (§8.1).
fn first_type(instance: &Instance, look: Look) -> Option<(EventKind, Timestamp)> {
    let tells = !instance.gone
        && instance.instance_type.is_some()
        && matches!(instance.power, InstanceState::Off { .. });
    tells.then(|| (EventKind::AttributeChange, look.at.max(look.enabled_at)))
}

fn event(enrolment: i64, region: &str, instance: &str, kind: EventKind, at: Timestamp) -> NewEvent {
    let word = match kind {
        EventKind::PowerOn => "power_on",
        EventKind::PowerOff => "power_off",
        EventKind::AttributeChange => "attribute_change",
    };
    NewEvent {
        enrolment,
        event_id: format!("discovery:{instance}:{word}:{at}"),
        instance_id: instance.to_owned(),
        region: region.to_owned(),
        image_id: None,
        kind,
        at,
        instance_type: None,
    }
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
