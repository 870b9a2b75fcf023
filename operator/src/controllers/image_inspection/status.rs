//! The status that a plan leads to, and its event.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::{Event, EventType};

use super::attempt::Attempt;
use super::plan::Plan;
use super::{INSPECTED, READY, RELEASED, limiter};
use crate::controllers::event;
use cloudigrade_api::{
    ConditionStatus, ConditionUpdate, Conditions, ImageInspection, ImageInspectionStatus, Phase,
    RunnerKind, RunnerStatus, VerdictStatus,
};

/// Reason in the conditions while the Job runs.
const INSPECTING: &str = "Inspecting";

/// The status once `plan` has been applied.
pub(super) fn after(
    inspection: &ImageInspection,
    plan: &Plan,
    now: Timestamp,
) -> ImageInspectionStatus {
    let generation = inspection.metadata.generation;
    let mut status = inspection.status.clone().unwrap_or_default();
    status.observed_generation = generation;
    if let Some(phase) = phase(plan) {
        status.phase = phase;
        status.next_attempt_time = None;
    }
    match plan {
        Plan::Prepare => {
            status.runner = Some(RunnerStatus {
                kind: RunnerKind::Job,
                name: Attempt::next(inspection).job,
            });
        }
        Plan::Launch { .. } => status.attempts += 1,
        Plan::Wait { until, .. } => status.next_attempt_time = until.map(Time),
        Plan::Retry { at, .. } => status.next_attempt_time = Some(Time(*at)),
        Plan::Record(report) => status.verdict = Some(report.verdict.clone()),
        Plan::AlreadyKnown(verdict) | Plan::Skip { verdict, .. } => {
            status.verdict = Some(verdict.clone())
        }
        _ => {}
    }
    if status.phase.is_finished() && status.finished_time.is_none() {
        status.finished_time = Some(Time(now));
    }
    let resources = resources(plan, &status);
    for change in outcome(plan, &status)
        .into_iter()
        .flatten()
        .chain(resources)
    {
        status.conditions.set(&change, generation, now);
    }
    for condition in &mut status.conditions {
        condition.observed_generation = generation;
    }
    status
}

/// The phase that `plan` leads to, if it leads anywhere.
fn phase(plan: &Plan) -> Option<Phase> {
    match plan {
        Plan::Wait { .. } | Plan::Retry { .. } => Some(Phase::Pending),
        Plan::Prepare => Some(Phase::Preparing),
        Plan::Launch { .. } => Some(Phase::Inspecting),
        Plan::Record(_) | Plan::AlreadyKnown(_) => Some(Phase::Inspected),
        Plan::Skip { .. } => Some(Phase::Skipped),
        Plan::Fail { .. } => Some(Phase::Error),
        Plan::Requeue(_)
        | Plan::AwaitJob(_)
        | Plan::Stall { .. }
        | Plan::Release
        | Plan::RetryRelease { .. }
        | Plan::Delete
        | Plan::Cleanup => None,
    }
}

/// Changes of `Inspected` and, for pipelines, of `Ready`; `status` is the one being written.
fn outcome(plan: &Plan, status: &ImageInspectionStatus) -> Option<[ConditionUpdate; 2]> {
    let runner = runner(status);
    let (inspected, ready, reason, message) = match plan {
        Plan::Wait {
            reason, message, ..
        }
        | Plan::Retry {
            reason, message, ..
        }
        | Plan::Stall {
            reason, message, ..
        } => (
            ConditionStatus::Unknown,
            ConditionStatus::False,
            *reason,
            message.clone(),
        ),
        Plan::Prepare => (
            ConditionStatus::Unknown,
            ConditionStatus::False,
            "Preparing",
            "credentials and the Job are being made".into(),
        ),
        Plan::Launch { snapshot, .. } => (
            ConditionStatus::Unknown,
            ConditionStatus::False,
            INSPECTING,
            format!("Job {runner} reads {snapshot}"),
        ),
        // The words of the launch stay, unless a stall replaced them.
        Plan::AwaitJob(_) if !is_stalled(status) => return None,
        Plan::AwaitJob(_) => (
            ConditionStatus::Unknown,
            ConditionStatus::False,
            INSPECTING,
            format!("Job {runner} reads the disk"),
        ),
        Plan::Record(report) => (
            ConditionStatus::True,
            ConditionStatus::True,
            "Inspected",
            summary(&report.verdict),
        ),
        Plan::AlreadyKnown(verdict) => (
            ConditionStatus::True,
            ConditionStatus::True,
            "AlreadyKnown",
            format!("inspected before: {}", summary(verdict)),
        ),
        Plan::Skip { reason, verdict } => (
            ConditionStatus::False,
            ConditionStatus::True,
            *reason,
            summary(verdict),
        ),
        Plan::Fail { reason, message } => (
            ConditionStatus::False,
            ConditionStatus::False,
            *reason,
            message.clone(),
        ),
        Plan::Requeue(_)
        | Plan::Release
        | Plan::RetryRelease { .. }
        | Plan::Delete
        | Plan::Cleanup => return None,
    };
    Some(
        [(INSPECTED, inspected), (READY, ready)].map(|(type_, status)| ConditionUpdate {
            type_,
            status,
            reason,
            message: message.clone(),
        }),
    )
}

/// Changes of `ResourcesReleased`. Once something is made, every way out leads through its release.
fn resources(plan: &Plan, status: &ImageInspectionStatus) -> Option<ConditionUpdate> {
    let runner = runner(status);
    let released = status.conditions.find(RELEASED).map(|c| c.status == "True");
    let (status, reason, message) = match (plan, released) {
        (Plan::Prepare, _) => (
            ConditionStatus::False,
            "InUse",
            format!("Job {runner}, its Secret and its result"),
        ),
        (Plan::Release, _) => (
            ConditionStatus::True,
            "Released",
            format!("credentials and result of {runner} are deleted"),
        ),
        (
            Plan::RetryRelease {
                reason, message, ..
            },
            _,
        ) => (
            ConditionStatus::False,
            *reason,
            format!("credentials and result of {runner} are not deleted: {message}"),
        ),
        (
            Plan::Launch { .. }
            | Plan::AwaitJob(_)
            | Plan::Stall { .. }
            | Plan::Requeue(_)
            | Plan::Delete
            | Plan::Cleanup,
            _,
        ) => return None,
        (_, Some(false)) => (
            ConditionStatus::False,
            "Releasing",
            format!("credentials and result of {runner} are being deleted"),
        ),
        (Plan::AlreadyKnown(_) | Plan::Skip { .. } | Plan::Fail { .. }, None) => (
            ConditionStatus::True,
            "NothingMade",
            "nothing was made that could be left behind".into(),
        ),
        _ => return None,
    };
    Some(ConditionUpdate {
        type_: RELEASED,
        status,
        reason,
        message,
    })
}

/// Returns whether the last pass met an error, though the attempt is under way.
fn is_stalled(status: &ImageInspectionStatus) -> bool {
    let inspected = status.conditions.find(INSPECTED);
    inspected.is_none_or(|condition| condition.reason != INSPECTING)
}

fn runner(status: &ImageInspectionStatus) -> &str {
    status
        .runner
        .as_ref()
        .map_or("", |runner| runner.name.as_str())
}

/// A verdict in one sentence.
fn summary(verdict: &VerdictStatus) -> String {
    let counts = if verdict.rhel {
        "counts as RHEL"
    } else {
        "does not count as RHEL"
    };
    let system = [&verdict.distribution, &verdict.version]
        .into_iter()
        .flatten();
    let words = system
        .map(String::as_str)
        .chain([counts])
        .collect::<Vec<_>>()
        .join(" ");
    format!("{words}: {}", verdict.reasons.join("; "))
}

/// The event of a plan, once per change. Waiting for a permit has none: thousands may.
pub(super) fn event(plan: &Plan, status: &ImageInspectionStatus) -> Option<Event> {
    let (type_, about) = match plan {
        Plan::Wait { reason, .. } if *reason == limiter::AT_CAPACITY => return None,
        Plan::Launch { .. }
        | Plan::Record(_)
        | Plan::AlreadyKnown(_)
        | Plan::Skip { .. }
        | Plan::Wait { .. } => (EventType::Normal, INSPECTED),
        Plan::Retry { .. } | Plan::Stall { .. } | Plan::Fail { .. } => {
            (EventType::Warning, INSPECTED)
        }
        Plan::RetryRelease { .. } => (EventType::Warning, RELEASED),
        Plan::Prepare
        | Plan::Requeue(_)
        | Plan::AwaitJob(_)
        | Plan::Release
        | Plan::Delete
        | Plan::Cleanup => {
            return None;
        }
    };
    let condition = status.conditions.find(about)?;
    let (reason, note) = (&condition.reason, condition.message.clone());
    Some(event::event(type_, "Inspect", reason, note))
}
