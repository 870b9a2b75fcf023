//! The Lease as a replica sees it, and the next move. Pure.
//!
//! The time that a Lease has not been renewed for is measured by this replica's own clock, as client-go does: clocks of other
//! machines may differ.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::ResourceExt;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Time without a renewal after which another replica may take the Lease.
pub(super) const LEASE: Duration = Duration::from_secs(20);

/// The next move of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// There is no Lease.
    Create,
    /// It is ours.
    Renew,
    /// Nobody holds it, or its holder is gone.
    Take,
    /// That replica holds it.
    Wait(String),
}

/// The holder and the renewal that were last seen, and when they were new.
#[derive(Clone, Debug, Default)]
pub(super) struct Sighting(Option<(Option<LeaseSpec>, Instant)>);

impl Sighting {
    /// Decides on the move of `identity`, and remembers the Lease.
    pub(super) fn decide(&mut self, lease: Option<&Lease>, identity: &str, now: Instant) -> Move {
        let Some(lease) = lease else {
            self.0 = None;
            return Move::Create;
        };
        let since = match &self.0 {
            Some((seen, since)) if *seen == lease.spec => *since,
            _ => now,
        };
        self.0 = Some((lease.spec.clone(), since));
        match holder(lease) {
            None => Move::Take,
            Some(holder) if holder == identity => Move::Renew,
            Some(_) if now.duration_since(since) >= LEASE => Move::Take,
            Some(holder) => Move::Wait(holder.to_owned()),
        }
    }
}

/// The replica that holds it.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref();
    holder.filter(|holder| !holder.is_empty())
}

/// A new Lease, held by `identity`.
pub(super) fn created(name: &str, identity: &str, now: Timestamp) -> Lease {
    let mut lease = Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    };
    lease.metadata.name = Some(name.to_owned());
    lease
}

/// The patch that renews `lease`. Like the others it fails if the Lease was changed since it was read.
pub(super) fn renewed(lease: &Lease, now: Timestamp) -> Value {
    patch(lease, json!({ "renewTime": MicroTime(now) }))
}

/// The patch by which `identity` takes `lease`.
pub(super) fn taken(lease: &Lease, identity: &str, now: Timestamp) -> Value {
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    let spec = json!({
        "holderIdentity": identity,
        "leaseDurationSeconds": LEASE.as_secs(),
        "acquireTime": MicroTime(now),
        "renewTime": MicroTime(now),
        "leaseTransitions": transitions.unwrap_or(0) + 1,
    });
    patch(lease, spec)
}

/// The patch that gives `lease` back.
pub(super) fn released(lease: &Lease) -> Value {
    patch(lease, json!({ "holderIdentity": "" }))
}

fn patch(lease: &Lease, spec: Value) -> Value {
    json!({"metadata": {"resourceVersion": lease.resource_version()}, "spec": spec})
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn lease(holder: &str, renewed: i64) -> Lease {
        created("cloudigrade", holder, Timestamp::constant(renewed, 0))
    }

    #[rstest]
    #[case::none(None, 0, Move::Create)]
    #[case::given_back(Some(lease("", 1)), 0, Move::Take)]
    #[case::ours(Some(lease("a", 1)), 3600, Move::Renew)]
    #[case::held(Some(lease("b", 1)), 19, Move::Wait("b".into()))]
    #[case::run_out(Some(lease("b", 1)), 20, Move::Take)]
    fn a_lease_is_taken_when_nobody_renews_it(
        #[case] lease: Option<Lease>,
        #[case] unchanged_for: u64,
        #[case] expected: Move,
    ) {
        let (mut seen, start) = (Sighting::default(), Instant::now());
        seen.decide(lease.as_ref(), "a", start);
        let now = start + Duration::from_secs(unchanged_for);
        assert_eq!(seen.decide(lease.as_ref(), "a", now), expected);
    }

    #[test]
    fn a_holder_whose_clock_is_an_hour_behind_keeps_what_it_renews() {
        let (mut seen, start) = (Sighting::default(), Instant::now());
        for renewal in 0..10 {
            let now = start + LEASE / 2 * renewal;
            let held = lease("b", -3600 + i64::from(renewal));
            assert_eq!(seen.decide(Some(&held), "a", now), Move::Wait("b".into()));
        }
    }

    #[test]
    fn what_was_changed_meanwhile_is_not_overwritten() {
        let mut held = lease("b", 1);
        held.metadata.resource_version = Some("7".into());
        for patch in [
            renewed(&held, Timestamp::UNIX_EPOCH),
            taken(&held, "a", Timestamp::UNIX_EPOCH),
            released(&held),
        ] {
            assert_eq!(patch["metadata"]["resourceVersion"], "7");
        }
    }
}
