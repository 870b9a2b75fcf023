//! One pass over one inspection: observe, decide, act, report.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::Context;
use super::decide::{Plan, decide};
use super::error::Error;
use super::{act, observe, slots, status};
use crate::controllers;
use crate::controllers::error::{ErrorReason, KubernetesContext};
use crate::controllers::runtime::Reconciler;
use crate::telemetry::OutcomeLabel;
use cloudigrade_api::{ImageInspection, Phase, same_ignoring_times};
use cloudigrade_cloud::InspectionCloud;

/// Safety net: re-checks a waiting inspection after this long in case a wake-up was lost.
const MISSED_ROOM: Duration = Duration::from_secs(300);

impl<C: InspectionCloud> Reconciler for Context<C> {
    const KIND: &'static str = "ImageInspection";
    type Object = ImageInspection;
    type Error = Error;

    async fn reconcile(
        &self,
        inspection: &ImageInspection,
        now: Timestamp,
    ) -> Result<Action, Error> {
        pass(inspection, self, now).await
    }
}

pub(super) async fn pass<C: InspectionCloud>(
    inspection: &ImageInspection,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Action, Error> {
    let planned = match observe::observe(inspection, context, now).await {
        Ok(seen) => {
            act::act(
                inspection,
                decide(inspection, seen, context.max_attempts, now),
                context,
                now,
            )
            .await
        }
        Err(error) => Err(error),
    };
    let uid = inspection.uid().unwrap_or_default();
    let plan = match planned {
        // Its preparation can't go on now: others may have the slot meanwhile.
        Err(error) if error.concerns_the_user() && is_preparing(inspection) => Plan::Wait {
            reason: error.reason(),
            message: error.to_string(),
            until: now.saturating_add(context.backoff.next(&uid)).ok(),
        },
        Err(error) => return Err(error),
        Ok(plan) => plan,
    };
    if matches!(
        plan,
        Plan::Launch { .. } | Plan::Record(_) | Plan::CleanUp | Plan::Remove
    ) {
        context.backoff.reset(&uid);
    }
    report(inspection, &plan, context, now).await
}

fn is_preparing(inspection: &ImageInspection) -> bool {
    inspection
        .status
        .as_ref()
        .is_some_and(|status| status.phase == Phase::Preparing)
}

/// Writes the status if it says anything new, tells people, and says when to come back.
async fn report<C>(
    inspection: &ImageInspection,
    plan: &Plan,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Action, Error> {
    if matches!(plan, Plan::CleanUp | Plan::Remove) {
        context.slots.leave(&inspection.uid().unwrap_or_default());
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
    if !matches!(status.phase, Phase::Preparing | Phase::Inspecting) && !waits_for_room(plan) {
        context.slots.leave(&inspection.uid().unwrap_or_default());
    }
    let back = match plan {
        Plan::Rest(until) => *until,
        _ => status.next_attempt_time.map(|at| at.0),
    };
    Ok(match back {
        Some(at) => Action::requeue(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
        None if waits_for_room(plan) => Action::requeue(MISSED_ROOM),
        None => Action::await_change(),
    })
}

fn waits_for_room(plan: &Plan) -> bool {
    matches!(plan, Plan::Wait { reason, .. } if *reason == slots::FULL)
}

fn count<C>(plan: &Plan, context: &Context<C>) {
    let outcome = match plan {
        Plan::Record(_) => "inspected",
        Plan::AlreadyKnown(_) | Plan::Skip { .. } => "skipped",
        Plan::Retry { .. } => "retried",
        Plan::GiveUp { .. } => "error",
        _ => return,
    };
    context
        .runtime
        .metrics
        .inspections
        .get_or_create(&OutcomeLabel { outcome })
        .inc();
}
