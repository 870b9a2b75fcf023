//! What a plan looks like in the status, and which plans are worth an event.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::events::{Event, EventType};

use super::decide::Plan;
use super::{INSPECTED, READY, RELEASED, job, slots};
use crate::api::{
    Change, Conditions, ImageInspection, ImageInspectionStatus, Phase, RunnerKind, RunnerStatus,
    Status, Verdict,
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
    for change in changes(plan, &status) {
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

/// The conditions that `plan` changes; `status` is the one being written.
fn changes(plan: &Plan, status: &ImageInspectionStatus) -> Vec<Change> {
    let runner = status
        .runner
        .as_ref()
        .map_or("", |runner| runner.name.as_str());
    let to_release = || {
        released(
            Status::False,
            "Releasing",
            format!("credentials and result of {runner} are being deleted"),
        )
    };
    let not_yet = |reason, message: &str| {
        [(INSPECTED, Status::Unknown), (READY, Status::False)]
            .map(|(type_, status)| Change {
                type_,
                status,
                reason,
                message: message.to_owned(),
            })
            .to_vec()
    };
    let ended = |inspected, ready, reason, message: &str| {
        [(INSPECTED, inspected), (READY, ready)]
            .map(|(type_, status)| Change {
                type_,
                status,
                reason,
                message: message.to_owned(),
            })
            .to_vec()
    };
    let made_something = status
        .conditions
        .find(RELEASED)
        .is_some_and(|c| c.status != "True");
    match plan {
        Plan::Wait {
            reason, message, ..
        }
        | Plan::Retry {
            reason, message, ..
        } => {
            let mut changes = not_yet(reason, message);
            changes.extend(made_something.then(to_release));
            changes
        }
        Plan::Prepare => {
            let mut changes = not_yet("Preparing", "credentials and the Job are being made");
            changes.push(released(
                Status::False,
                "InUse",
                format!("Job {runner}, its Secret and its result"),
            ));
            changes
        }
        Plan::Launch { snapshot, .. } => {
            not_yet("Inspecting", &format!("Job {runner} reads {snapshot}"))
        }
        Plan::Record(report) => {
            let mut changes = ended(
                Status::True,
                Status::True,
                "Inspected",
                &summary(&report.verdict),
            );
            changes.push(to_release());
            changes
        }
        Plan::AlreadyKnown(verdict) => ended(
            Status::True,
            Status::True,
            "AlreadyKnown",
            &format!("inspected before: {}", summary(verdict)),
        ),
        Plan::Skip { reason, verdict } => {
            ended(Status::False, Status::True, reason, &summary(verdict))
        }
        Plan::GiveUp { reason, message } => {
            let mut changes = ended(Status::False, Status::False, reason, message);
            changes.extend(made_something.then(to_release));
            changes
        }
        Plan::Release => {
            vec![released(
                Status::True,
                "Released",
                format!("credentials and result of {runner} are deleted"),
            )]
        }
        Plan::Rest(_) | Plan::Remove | Plan::CleanUp => Vec::new(),
    }
}

fn released(status: Status, reason: &'static str, message: String) -> Change {
    Change {
        type_: RELEASED,
        status,
        reason,
        message,
    }
}

/// A verdict in one sentence.
fn summary(verdict: &Verdict) -> String {
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

/// What people are told, once per change. Waiting for room is no news: thousands may.
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
    Some(Event {
        type_,
        reason: inspected.reason.clone(),
        note: Some(inspected.message.clone()),
        action: "Inspect".into(),
        secondary: None,
    })
}
