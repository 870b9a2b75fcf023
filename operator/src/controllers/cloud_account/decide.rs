//! What a pass does, from what is wanted and what is known. Pure.

use jiff::Timestamp;

use super::observe::Seen;
use cloudigrade_api::CloudAccountSpec;
use cloudigrade_store::enrolments::Enrolment;

/// What a pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// An older CloudAccount meters the account: touch nothing.
    Refuse {
        /// That one
        holder: Enrolment,
    },
    /// Take the steps, one after the other.
    Check,
    /// Stop metering; forget nothing.
    Suspend {
        /// What there is to stop
        enrolment: Option<Enrolment>,
    },
    /// It is not time yet: only tell what has become known in Postgres.
    Rest,
}

/// What to do with an account that is not being deleted.
pub(super) fn decide(spec: &CloudAccountSpec, seen: &Seen, now: Timestamp) -> Plan {
    let ours = seen.enrolment();
    if let (Some(holder), None) = (&seen.holder, ours)
        && !seen.claimant.precedes(holder)
    {
        return Plan::Refuse {
            holder: holder.clone(),
        };
    }
    if seen.next_check.is_some_and(|at| now < at) {
        return Plan::Rest;
    }
    if spec.suspend {
        return Plan::Suspend {
            enrolment: ours.cloned(),
        };
    }
    Plan::Check
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
