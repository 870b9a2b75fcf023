//! The state machine's states: how far an inspection is, by its own status and the time alone.

use std::time::Duration;

use jiff::Timestamp;

use super::RELEASED;
use cloudigrade_api::{Conditions, ImageInspection, Phase};

/// How far an inspection is, and so the part of the world that its next step depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is being deleted.
    Deleting,
    /// Its last attempt is over, and left things behind.
    Releasing,
    /// Its next attempt begins then.
    Waiting(Timestamp),
    /// It has not begun, or its next attempt is due.
    Pending,
    /// An attempt is being made ready.
    Preparing,
    /// An attempt is under way.
    Inspecting,
    /// It is over. It is deleted then, if ever.
    Finished(Option<Timestamp>),
    /// It is over, and was kept long enough.
    Expired,
}

/// Returns the stage of `inspection`.
pub(super) fn stage(inspection: &ImageInspection, now: Timestamp) -> Stage {
    if inspection.metadata.deletion_timestamp.is_some() {
        return Stage::Deleting;
    }
    let Some(status) = &inspection.status else {
        return Stage::Pending;
    };
    let released = status
        .conditions
        .find(RELEASED)
        .is_none_or(|condition| condition.status == "True");
    match status.phase {
        Phase::Preparing => Stage::Preparing,
        Phase::Inspecting => Stage::Inspecting,
        Phase::Pending | Phase::Inspected | Phase::Skipped | Phase::Error if !released => {
            Stage::Releasing
        }
        Phase::Pending => match &status.next_attempt_time {
            Some(at) if at.0 > now => Stage::Waiting(at.0),
            _ => Stage::Pending,
        },
        Phase::Inspected | Phase::Skipped | Phase::Error => match expiry(inspection) {
            Some(at) if at <= now => Stage::Expired,
            expiry => Stage::Finished(expiry),
        },
    }
}

/// The end of a finished inspection's time to live, if it has any.
fn expiry(inspection: &ImageInspection) -> Option<Timestamp> {
    let finished = inspection.status.as_ref()?.finished_time.as_ref()?.0;
    let kept = Duration::from_secs(inspection.spec.ttl_seconds_after_finished?.into());
    Some(finished.saturating_add(kept).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn later(seconds: i64) -> Timestamp {
        now() + seconds.seconds()
    }

    fn inspection(status: Value, ttl: Option<u32>) -> ImageInspection {
        serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "ImageInspection", "metadata": {"name": "web"},
            "spec": {"cloudAccountRef": {"name": "acme"}, "imageId": "ami-0a", "region": "us-east-1", "ttlSecondsAfterFinished": ttl},
            "status": status,
        }))
        .unwrap()
    }

    fn released(status: &str) -> Value {
        json!([{"type": "ResourcesReleased", "status": status, "reason": "R", "message": "", "lastTransitionTime": now()}])
    }

    #[rstest]
    #[case::new(json!(null), None, Stage::Pending)]
    #[case::empty(json!({}), None, Stage::Pending)]
    #[case::next_attempt(json!({"phase": "Pending", "nextAttemptTime": later(7)}), None, Stage::Waiting(later(7)))]
    #[case::due(json!({"phase": "Pending", "nextAttemptTime": later(0)}), None, Stage::Pending)]
    #[case::released_before_the_next_attempt(json!({"phase": "Pending", "nextAttemptTime": later(-7), "conditions": released("False")}),
        None, Stage::Releasing)]
    #[case::preparing(json!({"phase": "Preparing", "conditions": released("False")}), None, Stage::Preparing)]
    #[case::inspecting(json!({"phase": "Inspecting", "conditions": released("False")}), None, Stage::Inspecting)]
    #[case::finished(json!({"phase": "Inspected", "finishedTime": later(-50)}), None, Stage::Finished(None))]
    #[case::kept(json!({"phase": "Inspected", "finishedTime": later(-50)}), Some(60), Stage::Finished(Some(later(10))))]
    #[case::kept_long_enough(json!({"phase": "Skipped", "finishedTime": later(-60)}), Some(60), Stage::Expired)]
    #[case::failed_ones_too(json!({"phase": "Error", "finishedTime": later(-60)}), Some(0), Stage::Expired)]
    #[case::not_released(json!({"phase": "Inspected", "finishedTime": later(-60), "conditions": released("False")}), Some(60), Stage::Releasing)]
    #[case::released(json!({"phase": "Inspected", "conditions": released("True")}), None, Stage::Finished(None))]
    fn the_status_and_the_time_tell(
        #[case] status: Value,
        #[case] ttl: Option<u32>,
        #[case] expected: Stage,
    ) {
        assert_eq!(stage(&inspection(status, ttl), now()), expected);
    }

    #[rstest]
    fn deletion_comes_before_everything(
        #[values("Pending", "Preparing", "Inspecting", "Inspected", "Skipped", "Error")]
        phase: &str,
    ) {
        let mut inspection = inspection(json!({"phase": phase}), None);
        inspection.metadata.deletion_timestamp = Some(Time(now()));
        assert_eq!(stage(&inspection, now()), Stage::Deleting);
    }
}
