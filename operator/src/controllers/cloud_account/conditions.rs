//! Rules that hold for every condition: what a failure, a duplicate and a deletion do to it. The words of each condition are
//! in the file of its [step](super::steps). Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::Event;

use super::error::AccountError;
use super::status::{is_deleting, prior_failures};
use super::steps::{EVENTS_FLOWING, OF_READY, READY, TRAIL_CONFIGURED, flow, ready, trail};
use crate::controllers::error::ErrorReason;
use crate::controllers::event::{normal, warning};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate, Conditions};
use cloudigrade_store::enrolments::Enrolment;

/// Transient failures in a row that leave a condition as it is: some 20 minutes.
const PATIENCE: u32 = 8;

/// Conditions under way: those of the object, and their updates, one a type.
pub(super) struct ConditionBuilder {
    conditions: Vec<Condition>,
    updates: Vec<ConditionUpdate>,
    generation: Option<i64>,
    failures: u32,
    suspend: bool,
    deleting: bool,
}

impl ConditionBuilder {
    pub(super) fn new(account: &CloudAccount) -> Self {
        let status = account.status.as_ref();
        Self {
            conditions: status.map_or_else(Vec::new, |status| status.conditions.clone()),
            updates: Vec::new(),
            generation: account.metadata.generation,
            failures: prior_failures(account),
            suspend: account.spec.suspend,
            deleting: is_deleting(account),
        }
    }

    /// Sets a condition; the last update of a type counts.
    pub(super) fn set(&mut self, update: ConditionUpdate) {
        match self
            .updates
            .iter_mut()
            .find(|old| old.type_ == update.type_)
        {
            Some(old) => *old = update,
            None => self.updates.push(update),
        }
    }

    /// An event of the account was recorded, so log files arrive, even if the trail reports no delivery yet.
    pub(super) fn events_were_recorded(&mut self) {
        let reason = match self.update(EVENTS_FLOWING) {
            Some(update) => Some(update.reason),
            None => self
                .conditions
                .find(EVENTS_FLOWING)
                .map(|condition| condition.reason.as_str()),
        };
        if reason == Some(flow::NOTHING_DELIVERED) {
            self.set(flow::recorded());
        }
    }

    /// An older CloudAccount has the account. Everything that this one knew of it, when it had it, is void.
    pub(super) fn duplicate(&mut self, holder: &Enrolment) {
        let Enrolment {
            namespace, name, ..
        } = holder;
        let message = format!(
            "CG1002 CloudAccount {namespace}/{name} is older and meters this account; this one does nothing"
        );
        self.updates.clear();
        for type_ in OF_READY.into_iter().chain([EVENTS_FLOWING]) {
            if self.conditions.find(type_).is_some() {
                self.set(unknown(type_, ready::DUPLICATE, message.clone()));
            }
        }
        self.set(ready::not_ready(ready::DUPLICATE, message));
    }

    /// The step of condition `failed` failed.
    pub(super) fn fail(&mut self, failed: &'static str, error: &AccountError) {
        if self.deleting && failed == TRAIL_CONFIGURED {
            self.not_deleted(error.reason(), &format!("deleting the trail: {error}"));
            return;
        }
        let held = error.is_transient() && self.failures < PATIENCE && self.holds(failed, error);
        if failed != READY && !held {
            self.set(ConditionUpdate {
                type_: failed,
                status: match error.is_transient() {
                    true => ConditionStatus::Unknown,
                    false => ConditionStatus::False,
                },
                reason: error.reason(),
                message: error.to_string(),
            });
            self.not_reached(failed);
        }
        if self.suspend && failed != READY {
            self.set(ready::suspended());
        } else if !held {
            self.set(ready::not_ready(error.reason(), error.to_string()));
        }
    }

    /// The trail is still there, though the account is being deleted.
    pub(super) fn not_deleted(&mut self, reason: &'static str, message: &str) {
        self.set(trail::not_deleted(reason, message.to_owned()));
        self.set(ready::not_ready("Deleting", message.to_owned()));
    }

    /// Applies the updates.
    pub(super) fn build(&self, now: Timestamp) -> Vec<Condition> {
        let mut conditions = self.conditions.clone();
        for update in &self.updates {
            conditions.set(update, self.generation, now);
        }
        conditions
    }

    /// Keeps a condition that is true for this very spec, with the error in its message.
    fn holds(&mut self, type_: &str, error: &AccountError) -> bool {
        let generation = self.generation;
        let held = self.conditions.iter_mut().find(|condition| {
            condition.type_ == type_
                && condition.status == "True"
                && condition.observed_generation == generation
        });
        let Some(condition) = held else { return false };
        condition.message = format!("held when last checked; checking again failed: {error}");
        self.updates.retain(|update| update.type_ != type_);
        true
    }

    /// Voids the conditions of the steps after a failed one, unless they are about this spec.
    fn not_reached(&mut self, failed: &str) {
        let later = OF_READY
            .into_iter()
            .chain([EVENTS_FLOWING])
            .skip_while(|type_| *type_ != failed)
            .skip(1);
        for type_ in later {
            let known = self.update(type_).is_some()
                || self
                    .conditions
                    .find(type_)
                    .is_some_and(|c| c.observed_generation == self.generation);
            if !known {
                self.set(unknown(type_, "NotChecked", format!("waits for {failed}")));
            }
        }
    }

    fn update(&self, type_: &str) -> Option<&ConditionUpdate> {
        self.updates.iter().find(|update| update.type_ == type_)
    }
}

fn unknown(type_: &'static str, reason: &'static str, message: String) -> ConditionUpdate {
    ConditionUpdate {
        type_,
        status: ConditionStatus::Unknown,
        reason,
        message,
    }
}

/// Returns an event for each condition whose status or reason has changed, each reason once.
pub(super) fn events(before: &[Condition], after: &[Condition]) -> Vec<Event> {
    let mut reasons: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for condition in after {
        let same = |old: &&Condition| {
            old.type_ == condition.type_
                && old.status == condition.status
                && old.reason == condition.reason
        };
        let changed = !before.iter().any(|old| same(&old)) && condition.status != "Unknown";
        if !changed || reasons.contains(&condition.reason.as_str()) {
            continue;
        }
        reasons.push(&condition.reason);
        let wanted = condition.status == "True" || condition.reason == ready::SUSPENDED;
        let event = if wanted { normal } else { warning };
        events.push(event(&condition.reason, condition.message.clone()));
    }
    events
}

#[cfg(test)]
mod tests;
