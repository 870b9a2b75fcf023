//! Conditions as KEP-1623 asks for them, and status comparison that leaves times out.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::Serialize;
use serde_json::Value;

/// The three values a condition's `status` can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`: not looked at yet, or it could not be looked at
    Unknown,
}

impl ConditionStatus {
    /// The word the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A step's word on its condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    /// Condition type, PascalCase
    pub type_: &'static str,
    /// Its value now
    pub status: ConditionStatus,
    /// Stable PascalCase word for programs
    pub reason: &'static str,
    /// Sentence for people: what was done, to what, what to do now
    pub message: String,
}

/// A list of conditions, one a type.
pub trait Conditions {
    /// Sets one condition. `lastTransitionTime` moves only when the status does.
    fn set(&mut self, change: &ConditionUpdate, generation: Option<i64>, now: Timestamp);
    /// The condition of that type.
    fn find(&self, type_: &str) -> Option<&Condition>;
    /// Returns whether the condition of that type is `True`.
    fn is_true(&self, type_: &str) -> bool {
        self.find(type_).is_some_and(|c| c.status == "True")
    }
}

impl Conditions for Vec<Condition> {
    fn set(&mut self, change: &ConditionUpdate, generation: Option<i64>, now: Timestamp) {
        let position = self.iter().position(|c| c.type_ == change.type_);
        let since = position
            .map(|i| &self[i])
            .filter(|c| c.status == change.status.as_str())
            .map_or(Time(now), |c| c.last_transition_time.clone());
        let condition = Condition {
            type_: change.type_.to_owned(),
            status: change.status.as_str().to_owned(),
            reason: change.reason.to_owned(),
            message: change.message.clone(),
            observed_generation: generation,
            last_transition_time: since,
        };
        match position {
            Some(i) => self[i] = condition,
            None => self.push(condition),
        }
    }

    fn find(&self, type_: &str) -> Option<&Condition> {
        self.iter().find(|c| c.type_ == type_)
    }
}

/// Compares two statuses without the fields whose names end in `Time`.
/// A write that only moves a time would wake the controller that made it.
pub fn same_ignoring_times<T: Serialize>(a: &T, b: &T) -> bool {
    fn timeless(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|key, _| !key.ends_with("Time"));
                map.values_mut().for_each(timeless);
            }
            Value::Array(items) => items.iter_mut().for_each(timeless),
            _ => {}
        }
    }
    let [a, b] = [a, b].map(|status| {
        let mut value = serde_json::to_value(status).unwrap_or_default();
        timeless(&mut value);
        value
    });
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(status: ConditionStatus, message: &str) -> ConditionUpdate {
        ConditionUpdate {
            type_: "Ready",
            status,
            reason: "Because",
            message: message.into(),
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let mut conditions = Vec::new();
        conditions.set(&change(ConditionStatus::False, "a"), Some(1), early);
        conditions.set(&change(ConditionStatus::False, "b"), Some(2), late);
        assert_eq!(conditions[0].last_transition_time, Time(early));
        assert_eq!(
            (
                conditions[0].message.as_str(),
                conditions[0].observed_generation
            ),
            ("b", Some(2))
        );
        conditions.set(&change(ConditionStatus::True, "b"), Some(2), late);
        assert_eq!(conditions[0].last_transition_time, Time(late));
        assert!(conditions.is_true("Ready") && conditions.len() == 1);
    }

    #[test]
    fn times_do_not_make_a_difference() {
        let a = serde_json::json!({"n": 1, "nextCheckTime": "x", "conditions": [{"lastTransitionTime": "x"}]});
        let b = serde_json::json!({"n": 1, "nextCheckTime": "y", "conditions": [{"lastTransitionTime": "y"}]});
        assert!(same_ignoring_times(&a, &b));
        assert!(!same_ignoring_times(&a, &serde_json::json!({"n": 2})));
    }
}
