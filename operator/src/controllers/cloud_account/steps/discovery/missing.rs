//! The power events that must have happened, by the state of instances now.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use metering::cloudtrail::EventKind;

use super::{DiscoveryRun, ObservedInstances};
use cloudigrade_cloud::{InstanceDescription, InstanceState};
use cloudigrade_store::discovery::KnownInstance;
use cloudigrade_store::{AccountKey, NewEvent};

/// EC2 shows a change only some time after the call that made it. A younger event outweighs the state that EC2 shows.
const SETTLING: SignedDuration = SignedDuration::from_mins(2);

/// Returns the events that no log has reported. Their ids derive from their content, so that the same look twice adds nothing.
pub(super) fn events(
    known: &[KnownInstance],
    observed: &ObservedInstances,
    run: DiscoveryRun,
) -> Vec<NewEvent> {
    let newest: HashMap<&str, (EventKind, Timestamp)> = known
        .iter()
        .filter_map(|instance| Some((instance.id.as_str(), instance.power?)))
        .collect();
    let found: BTreeSet<&str> = observed
        .instances
        .iter()
        .map(|(_, instance)| instance.id.as_str())
        .collect();

    let met: BTreeSet<&str> = known.iter().map(|instance| instance.id.as_str()).collect();
    let of_found = observed.instances.iter().filter_map(|(region, instance)| {
        let id = instance.id.as_str();
        let (kind, at) = missing(instance.state, newest.get(id).copied(), run)
            .or_else(|| (!met.contains(id)).then(|| first_type(instance, run))?)?;
        let (image_id, instance_type) = (instance.image_id.clone(), instance.instance_type.clone());
        Some(NewEvent {
            image_id,
            instance_type,
            ..event(run.account, region, id, kind, at)
        })
    });
    // EC2 forgets an instance an hour after its end.
    let gone = known.iter().filter(|instance| {
        observed.regions.contains(&instance.region) && !found.contains(instance.id.as_str())
    });
    let of_gone = gone.filter_map(|instance| {
        let (kind, at) = missing(InstanceState::Off { since: None }, instance.power, run)?;
        Some(event(run.account, &instance.region, &instance.id, kind, at))
    });
    of_found.chain(of_gone).collect()
}

/// The event that leads from an instance's newest one to its state now.
///
/// It takes the cloud's own time, where that fits what is known: then the same event, still on its way
/// from CloudTrail, changes nothing when it arrives. Otherwise it takes the time of the look.
fn missing(
    state: InstanceState,
    newest: Option<(EventKind, Timestamp)>,
    run: DiscoveryRun,
) -> Option<(EventKind, Timestamp)> {
    if newest.is_some_and(|(_, at)| at > run.at - SETTLING) {
        return None;
    }
    let runs = matches!(newest, Some((EventKind::PowerOn, _)));
    let fits = |since: &Timestamp| *since <= run.at && newest.is_none_or(|(_, at)| *since > at);
    let (kind, since) = match state {
        InstanceState::On { since } if !runs => (EventKind::PowerOn, Some(since)),
        InstanceState::Off { since } if runs => (EventKind::PowerOff, since),
        _ => return None,
    };
    Some((kind, since.filter(fits).unwrap_or(run.at)))
}

/// The event with the type of an instance that is off when it is first met: the record of a start carries none
/// (`docs/design/original.md#runs`).
fn first_type(instance: &InstanceDescription, run: DiscoveryRun) -> Option<(EventKind, Timestamp)> {
    let has_type = !instance.gone
        && instance.instance_type.is_some()
        && matches!(instance.state, InstanceState::Off { .. });
    has_type.then_some((EventKind::AttributeChange, run.at))
}

fn event(
    account: AccountKey,
    region: &str,
    instance: &str,
    kind: EventKind,
    at: Timestamp,
) -> NewEvent {
    let word = match kind {
        EventKind::PowerOn => "power_on",
        EventKind::PowerOff => "power_off",
        EventKind::AttributeChange => "attribute_change",
    };
    NewEvent {
        account,
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
mod tests;
