//! What people see of a pass: one status, written if it says anything new, and events where something has changed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::act::Done;
use super::conditions;
use super::context::AccountContext;
use super::decide::Plan;
use super::error::AccountError;
use super::observe::Seen;
use crate::controllers::error::{KubernetesContext, Reason};
use crate::controllers::event::normal;
use crate::controllers::{backoff, status};
use cloudigrade_api::{
    CloudAccount, CloudAccountStatus, ImageCounts, InstanceCounts, same_ignoring_times,
};
use cloudigrade_store::account_status::{self, Counts};

/// How often a duplicate asks whether the account is free now. That costs one query.
const DUPLICATE_RECHECK: Duration = Duration::from_secs(60);
/// How far `lastEventTime` may lag behind when nothing else changes.
const EVENT_TIME_LAG: SignedDuration = SignedDuration::from_mins(10);

/// Writes the status if it differs, tells what has changed, and says when to come back.
pub(super) async fn report<C>(
    account: &CloudAccount,
    seen: &Seen,
    plan: &Plan,
    done: &Done,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<Action, AccountError> {
    if let Some((step, error)) = &done.failure {
        context.count_failure(error);
        tracing::info!(step, reason = error.reason(), %error, "a step failed");
    }
    let counts = match &done.enrolment {
        Some(enrolment) => Some(account_status::counts(&context.database, enrolment.id).await?),
        None => None,
    };
    let before = account.status.clone().unwrap_or_default();
    let failures = failures(&before, plan, done);
    let next = next_check(account, seen, plan, done, failures, now);
    let after = after(account, plan, done, counts, Planned { failures, next }, now);

    if says_more(&before, &after) {
        status::write(&context.accounts(account), account, &after)
            .await
            .context("writing the status")?;
        for event in conditions::events(&before.conditions, &after.conditions) {
            context.runtime.publish_event(account, &event).await;
        }
    }
    if !done.repairs.is_empty() {
        let note = format!(
            "somebody had changed the trail; put right: {}",
            done.repairs.join(", ")
        );
        context
            .runtime
            .publish_event(account, &normal("TrailRepaired", note))
            .await;
    }
    context.schedule.plan(account, next);
    Ok(Action::requeue(
        next.duration_since(now).try_into().unwrap_or_default(),
    ))
}

/// Failures in a row. Their number stops growing when the wait does, so that nothing is left to write.
fn failures(before: &CloudAccountStatus, plan: &Plan, done: &Done) -> u32 {
    match (plan, &done.failure) {
        (Plan::Rest, _) => before.failures,
        (_, None) => 0,
        (_, Some(_)) => (before.failures + 1).min(backoff::MOST_FAILURES),
    }
}

fn next_check(
    account: &CloudAccount,
    seen: &Seen,
    plan: &Plan,
    done: &Done,
    failures: u32,
    now: Timestamp,
) -> Timestamp {
    if let (Plan::Rest, Some(planned)) = (plan, seen.next_check) {
        return planned;
    }
    let uid = account.uid().unwrap_or_default();
    let wait = match &done.failure {
        Some((_, error)) if !error.is_terminal() => backoff::delay(failures, &uid),
        _ if done.refused_for.is_some() => backoff::spread(DUPLICATE_RECHECK, &uid),
        _ => backoff::spread(
            Duration::from_secs(account.spec.resync_interval_seconds.into()),
            &uid,
        ),
    };
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Whether a write would tell people anything. A time alone is not enough, or every look would write.
fn says_more(before: &CloudAccountStatus, after: &CloudAccountStatus) -> bool {
    let event_time =
        |status: &CloudAccountStatus| status.last_event_time.as_ref().map(|time| time.0);
    let lags = match (event_time(before), event_time(after)) {
        (Some(before), Some(after)) => after.duration_since(before) > EVENT_TIME_LAG,
        (before, after) => before != after,
    };
    lags || !same_ignoring_times(before, after)
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// Failures in a row so far
    pub(super) failures: u32,
    /// The next look
    pub(super) next: Timestamp,
}

/// The status once `done` is done.
fn after(
    account: &CloudAccount,
    plan: &Plan,
    done: &Done,
    counts: Option<Counts>,
    planned: Planned,
    now: Timestamp,
) -> CloudAccountStatus {
    let mut status = account.status.clone().unwrap_or_default();
    let has_events = counts.is_some_and(|counts| counts.last_event.is_some());
    status.conditions = conditions::after(account, plan, done, has_events, now);
    status.failures = planned.failures;
    status.next_check_time = Some(Time(planned.next));
    if *plan != Plan::Rest {
        status.observed_generation = account.metadata.generation;
    }
    if let Some(account_id) = &done.account_id {
        status.account_id = Some(account_id.clone());
    }
    if done.trail.is_some() || done.trail_removed {
        status.trail = done.trail.clone();
    }
    if done.discovered {
        status.last_discovery_time = Some(Time(now));
    }
    status.enabled_at = done
        .enrolment
        .as_ref()
        .and_then(|enrolment| enrolment.enabled_at)
        .map(Time);
    if let Some(counts) = counts {
        status.instances = Some(InstanceCounts {
            known: counts.instances,
            running: counts.running,
            unidentified: counts.unidentified_instances,
        });
        status.images = Some(ImageCounts {
            known: counts.images,
            unidentified: counts.unidentified_images,
            pending: counts.pending,
            rhel: counts.rhel,
            error: counts.error,
        });
        status.last_event_time = counts.last_event.map(Time);
    }
    status
}
