//! What the conditions say after a pass. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::Event;

use super::act::Done;
use super::decide::Plan;
use super::error::AccountError;
use super::steps::{EVENTS_FLOWING, OF_READY, READY, flow};
use crate::controllers::error::Reason;
use crate::controllers::event::{normal, warning};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate, Conditions};
use cloudigrade_store::enrolments::Enrolment;

/// Failures in a row that say nothing about the account, up to which what was known of it stands: some 20 minutes.
const PATIENCE: u32 = 8;
/// Reason of a stop that was asked for.
const SUSPENDED: &str = "Suspended";

/// The conditions of `account` once `done` is done. `has_events`: CloudTrail has told us something already.
pub(super) fn after(
    account: &CloudAccount,
    plan: &Plan,
    done: &Done,
    has_events: bool,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after = After::of(account, now);
    if let Some(holder) = &done.refused_for {
        after.refuse(holder);
        return after.conditions;
    }
    // That events come is known for certain once one has, whatever the trail says of itself.
    let has_come = |reason: &str| has_events && reason == flow::NOTHING_DELIVERED;
    for change in &done.changes {
        if has_come(change.reason) {
            after.set(flow::recorded())
        } else {
            after.set(change.clone())
        }
    }
    if after
        .conditions
        .find(EVENTS_FLOWING)
        .is_some_and(|condition| has_come(&condition.reason))
    {
        after.set(flow::recorded());
    }
    match (&done.failure, plan) {
        (Some((step, error)), _) => after.fail(step, error, plan),
        (None, Plan::Check) => {
            after.ready(ConditionStatus::True, "Metering", "usage is metered".into())
        }
        (None, Plan::Suspend { .. }) => after.suspended(),
        (None, Plan::Rest | Plan::Refuse { .. }) => {}
    }
    after.conditions
}

/// Conditions on their way from one pass to the next.
struct After {
    conditions: Vec<Condition>,
    generation: Option<i64>,
    failures: u32,
    now: Timestamp,
}

impl After {
    fn of(account: &CloudAccount, now: Timestamp) -> Self {
        let status = account.status.clone().unwrap_or_default();
        Self {
            conditions: status.conditions,
            generation: account.metadata.generation,
            failures: status.failures,
            now,
        }
    }

    fn set(&mut self, change: ConditionUpdate) {
        self.conditions.set(&change, self.generation, self.now);
    }

    fn ready(&mut self, status: ConditionStatus, reason: &'static str, message: String) {
        self.set(ConditionUpdate {
            type_: READY,
            status,
            reason,
            message,
        });
    }

    fn suspended(&mut self) {
        let message = "nothing is metered while spec.suspend is set; what was recorded stays";
        self.ready(ConditionStatus::False, SUSPENDED, message.into());
    }

    /// An older CloudAccount has the account. What this one may have known of it, when it had it, is void.
    fn refuse(&mut self, holder: &Enrolment) {
        let Enrolment {
            namespace, name, ..
        } = holder;
        let message = format!(
            "CG1002 CloudAccount {namespace}/{name} is older and meters this account; this one does nothing"
        );
        for type_ in OF_READY.into_iter().chain([EVENTS_FLOWING]) {
            if self.conditions.find(type_).is_some() {
                let message = message.clone();
                self.set(ConditionUpdate {
                    type_,
                    status: ConditionStatus::Unknown,
                    reason: "DuplicateAccount",
                    message,
                });
            }
        }
        self.ready(ConditionStatus::False, "DuplicateAccount", message);
    }

    fn fail(&mut self, step: &'static str, error: &AccountError, plan: &Plan) {
        if matches!(plan, Plan::Suspend { .. }) {
            self.suspended();
        }
        if error.is_transient() && self.failures < PATIENCE && self.still_holds(step, error) {
            return;
        }
        let status = if error.is_transient() {
            ConditionStatus::Unknown
        } else {
            ConditionStatus::False
        };
        self.set(ConditionUpdate {
            type_: step,
            status,
            reason: error.reason(),
            message: error.to_string(),
        });
        self.not_reached(step);
        if *plan == Plan::Check {
            self.ready(ConditionStatus::False, error.reason(), error.to_string());
        }
    }

    /// A failure that says nothing about the account: what was true for this very spec stands, and the error is told.
    fn still_holds(&mut self, step: &str, error: &AccountError) -> bool {
        let generation = self.generation;
        let held = self.conditions.iter_mut().find(|condition| {
            condition.type_ == step
                && condition.status == "True"
                && condition.observed_generation == generation
        });
        let Some(condition) = held else { return false };
        condition.message = format!("held when last checked; checking again failed: {error}");
        true
    }

    /// The steps after a failed one: what they say must be about this spec.
    fn not_reached(&mut self, failed: &str) {
        let later = OF_READY
            .into_iter()
            .chain([EVENTS_FLOWING])
            .skip_while(|type_| *type_ != failed)
            .skip(1);
        for type_ in later.collect::<Vec<_>>() {
            let known = self
                .conditions
                .find(type_)
                .is_some_and(|c| c.observed_generation == self.generation);
            if !known {
                let message = format!("waits for {failed}");
                self.set(ConditionUpdate {
                    type_,
                    status: ConditionStatus::Unknown,
                    reason: "NotChecked",
                    message,
                });
            }
        }
    }
}

/// An event for each condition that has come to say something else, each reason once.
pub(super) fn events(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let mut told: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for condition in after {
        let same = |old: &&Condition| {
            old.type_ == condition.type_
                && old.status == condition.status
                && old.reason == condition.reason
        };
        let is_news = !before.iter().any(|old| same(&old)) && condition.status != "Unknown";
        if !is_news || told.contains(&condition.reason.as_str()) {
            continue;
        }
        told.push(&condition.reason);
        let asked_for = condition.status == "True" || condition.reason == SUSPENDED;
        let tell = if asked_for { normal } else { warning };
        events.push(tell(&condition.reason, condition.message.clone()));
    }
    events
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
