//! One step of one inspection, and for every outcome a status.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::apply;
use super::context::Context;
use super::decide::decide;
use super::error::Error;
use super::observe::observe;
use super::plan::Plan;
use super::stage::{Stage, stage};
use super::{limiter, status};
use crate::controllers;
use crate::controllers::error::{ErrorReason, KubernetesContext};
use crate::controllers::runtime::Reconciler;
use crate::telemetry::OutcomeLabel;
use cloudigrade_api::{ImageInspection, Phase, same_ignoring_times};
use cloudigrade_cloud::InspectionCloud;

/// Name of the kind in spans and metrics.
const KIND: &str = "ImageInspection";

/// Safety net: re-checks a waiting inspection after this long in case a wake-up was lost.
const MISSED_PERMIT: Duration = Duration::from_secs(300);

impl<C: InspectionCloud> Reconciler for Context<C> {
    const KIND: &'static str = KIND;
    type Object = ImageInspection;
    type Error = Error;

    async fn reconcile(
        &self,
        inspection: &ImageInspection,
        now: Timestamp,
    ) -> Result<Action, Error> {
        reconcile_once(inspection, self, now).await
    }
}

pub(super) async fn reconcile_once<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Action, Error> {
    let stage = stage(inspection, now);
    let uid = inspection.uid().unwrap_or_default();
    let plan = match take_step(stage, inspection, context, now).await {
        Ok(plan) => plan,
        Err(error) if error.is_conflict() => return Ok(Action::await_change()),
        Err(error) => {
            let until = now
                .saturating_add(context.backoff.next(&uid))
                .unwrap_or(Timestamp::MAX);
            let Some(plan) = failed(stage, &error, until) else {
                return Err(error);
            };
            tracing::warn!(reason = error.reason(), %error, %until, "a step failed and will be repeated");
            context.runtime.count_failure(KIND, &error);
            plan
        }
    };
    if matches!(stage, Stage::Finished(_)) || is_progress(&plan) {
        context.backoff.reset(&uid);
    }
    update_status(inspection, &plan, context, now).await
}

async fn take_step<C: InspectionCloud>(
    stage: Stage,
    inspection: &ImageInspection,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Plan, Error> {
    let observed = observe(stage, inspection, context).await?;
    let plan = decide(inspection, observed, context.settings.max_attempts, now);
    apply(inspection, plan, context, now).await
}

/// The plan that an error leads to: none if no condition is about the stage.
fn failed(stage: Stage, error: &Error, until: Timestamp) -> Option<Plan> {
    let (reason, message) = (error.reason(), error.to_string());
    match stage {
        // Its preparation can't go on now: others may run meanwhile.
        Stage::Pending | Stage::Preparing => Some(Plan::Wait {
            reason,
            message,
            until: Some(until),
        }),
        Stage::Inspecting => Some(Plan::Stall {
            reason,
            message,
            until,
        }),
        Stage::Releasing | Stage::Deleting => Some(Plan::RetryRelease {
            reason,
            message,
            until,
        }),
        Stage::Waiting(_) | Stage::Finished(_) | Stage::Expired => None,
    }
}

/// Returns whether the next error is the first of its kind.
fn is_progress(plan: &Plan) -> bool {
    match plan {
        Plan::Launch { .. }
        | Plan::AwaitJob(_)
        | Plan::Record(_)
        | Plan::Retry { .. }
        | Plan::Fail { .. }
        | Plan::AlreadyKnown(_)
        | Plan::Skip { .. }
        | Plan::Delete
        | Plan::Cleanup => true,
        // Preparing begins anew after each error, so it is none yet; and neither is what comes after a failed attempt.
        Plan::Requeue(_)
        | Plan::Wait { .. }
        | Plan::Prepare
        | Plan::Stall { .. }
        | Plan::Release
        | Plan::RetryRelease { .. } => false,
    }
}

/// Writes the status if it says anything new, publishes its event, and says when to come back.
async fn update_status<C>(
    inspection: &ImageInspection,
    plan: &Plan,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Action, Error> {
    let uid = inspection.uid().unwrap_or_default();
    if matches!(plan, Plan::Cleanup | Plan::Delete) {
        context.limiter.release(&uid);
        return Ok(Action::await_change());
    }
    let status = status::after(inspection, plan, now);
    if !same_ignoring_times(&inspection.status.clone().unwrap_or_default(), &status) {
        let api = context.inspections(inspection);
        controllers::status::write(&api, inspection, &status)
            .await
            .context("writing the status")?;
        if let Some(event) = status::event(plan, &status) {
            context.runtime.publish_event(inspection, &event).await;
        }
        count(plan, context);
    }
    if !matches!(status.phase, Phase::Preparing | Phase::Inspecting) && !waits_for_permit(plan) {
        context.limiter.release(&uid);
    }
    let back = match plan {
        Plan::Requeue(until) => *until,
        Plan::AwaitJob(until) | Plan::Stall { until, .. } | Plan::RetryRelease { until, .. } => {
            Some(*until)
        }
        _ => status.next_attempt_time.map(|at| at.0),
    };
    Ok(match back {
        Some(at) => Action::requeue(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
        None if waits_for_permit(plan) => Action::requeue(MISSED_PERMIT),
        None => Action::await_change(),
    })
}

fn waits_for_permit(plan: &Plan) -> bool {
    matches!(plan, Plan::Wait { reason, .. } if *reason == limiter::AT_CAPACITY)
}

fn count<C>(plan: &Plan, context: &Context<C>) {
    let outcome = match plan {
        Plan::Record(_) => "inspected",
        Plan::AlreadyKnown(_) | Plan::Skip { .. } => "skipped",
        Plan::Retry { .. } => "retried",
        Plan::Fail { .. } => "error",
        _ => return,
    };
    context
        .runtime
        .metrics
        .inspections
        .get_or_create(&OutcomeLabel { outcome })
        .inc();
}
