//! The status that a plan leads to, and the plans that are worth an event.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::{Event, EventType};

use super::decide::Plan;
use super::{INSPECTED, READY, RELEASED, job, slots};
use crate::controllers::event;
use cloudigrade_api::{
    ConditionStatus, ConditionUpdate, Conditions, ImageInspection, ImageInspectionStatus, Phase,
    RunnerKind, RunnerStatus, VerdictStatus,
};

/// The status once `plan` has been acted on.
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
            let name = job::name(inspection, status.attempts + 1);
            status.runner = Some(RunnerStatus {
                kind: RunnerKind::Job,
                name,
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
        Plan::GiveUp { .. } => Some(Phase::Error),
        Plan::Rest(_) | Plan::Release | Plan::Remove | Plan::CleanUp => None,
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
            "Inspecting",
            format!("Job {runner} reads {snapshot}"),
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
        Plan::GiveUp { reason, message } => (
            ConditionStatus::False,
            ConditionStatus::False,
            *reason,
            message.clone(),
        ),
        Plan::Rest(_) | Plan::Release | Plan::Remove | Plan::CleanUp => return None,
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
        (Plan::Launch { .. } | Plan::Rest(_) | Plan::Remove | Plan::CleanUp, _) => return None,
        (_, Some(false)) => (
            ConditionStatus::False,
            "Releasing",
            format!("credentials and result of {runner} are being deleted"),
        ),
        (Plan::AlreadyKnown(_) | Plan::Skip { .. } | Plan::GiveUp { .. }, None) => (
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

/// The event of a plan, once per change. Waiting for a slot is none: thousands may.
pub(super) fn event(plan: &Plan, status: &ImageInspectionStatus) -> Option<Event> {
    let type_ = match plan {
        Plan::Launch { .. } | Plan::Record(_) | Plan::AlreadyKnown(_) | Plan::Skip { .. } => {
            EventType::Normal
        }
        Plan::Wait { reason, .. } if *reason == slots::FULL => return None,
        Plan::Wait { .. } => EventType::Normal,
        Plan::Retry { .. } | Plan::GiveUp { .. } => EventType::Warning,
        Plan::Prepare | Plan::Rest(_) | Plan::Release | Plan::Remove | Plan::CleanUp => {
            return None;
        }
    };
    let inspected = status.conditions.find(INSPECTED)?;
    let (reason, note) = (&inspected.reason, inspected.message.clone());
    Some(event::event(type_, "Inspect", reason, note))
}
