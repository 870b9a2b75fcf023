//! Deletion: the trail goes, open runs end, what was recorded stays. A customer who has taken access away does not block it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::{AccountContext, Cloud};
use super::error::AccountError;
use super::observe::{Seen, observe};
use super::report::Planned;
use super::steps::{READY, TRAIL_CONFIGURED, trail};
use crate::controllers::error::{KubernetesContext, Reason};
use crate::controllers::event::{normal, warning};
use crate::controllers::{backoff, finalizer, status};
use cloudigrade_api::{
    CloudAccount, ConditionStatus, ConditionUpdate, Conditions, DeletionPolicy, FINALIZER,
    same_ignoring_times,
};
use cloudigrade_store::enrolments;

/// Tries after which access that was refused counts as taken away: some 40 s.
const TRIES: u32 = 4;
/// How long anything else may keep the trail from being deleted.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What to do about an account that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Nothing is held, or nothing of it is ours: let it go.
    LetGo,
    /// The trail is to be left as it is.
    Retain,
    /// The trail is to be deleted.
    Delete,
    /// The last try failed; it is not time for the next one.
    Wait(Timestamp),
}

/// What became of the trail.
#[derive(Debug)]
enum Trail {
    Deleted,
    Retained,
    LeftBehind(AccountError),
    Untouched,
}

/// Brings the deletion of `account` a step further.
pub(super) async fn clean_up<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<Action, AccountError> {
    if !account.finalizers().iter().any(|name| name == FINALIZER) {
        context.forget(account);
        return Ok(Action::await_change());
    }
    let seen = observe(account, context).await?;
    let trail = match decide(account.spec.deletion_policy, &seen, now) {
        Plan::Wait(until) => {
            return Ok(Action::requeue(
                until.duration_since(now).try_into().unwrap_or_default(),
            ));
        }
        Plan::LetGo => Trail::Untouched,
        Plan::Retain => Trail::Retained,
        Plan::Delete => match delete_trail(account, context).await {
            Ok(()) => Trail::Deleted,
            Err(error) => {
                context.count_failure(&error);
                let tries = tries(account) + 1;
                if !gives_up(&error, tries, since(account, now), now) {
                    return retry(account, &error, tries, context, now).await;
                }
                Trail::LeftBehind(error)
            }
        },
    };
    enrolments::release(&context.database, seen.claimant.uid, now).await?;
    if let Trail::LeftBehind(error) = &trail {
        let planned = Planned {
            failures: tries(account),
            next: now,
        };
        write_failure(
            account,
            "TrailLeftBehind",
            left_behind(account, error),
            planned,
            context,
            now,
        )
        .await?;
    }
    tell(account, trail, context).await;
    finalizer::remove(&context.accounts(account), account)
        .await
        .context("removing the finalizer")?;
    context.forget(account);
    Ok(Action::await_change())
}

fn decide(policy: DeletionPolicy, seen: &Seen, now: Timestamp) -> Plan {
    match (seen.enrolment(), policy, seen.next_check) {
        (None, ..) => Plan::LetGo,
        (Some(_), DeletionPolicy::Retain, _) => Plan::Retain,
        (Some(_), DeletionPolicy::Delete, Some(next)) if now < next => Plan::Wait(next),
        (Some(_), DeletionPolicy::Delete, _) => Plan::Delete,
    }
}

/// Whether to let go with the trail still there.
fn gives_up(error: &AccountError, tries: u32, since: Timestamp, now: Timestamp) -> bool {
    (error.is_lost_access() && tries >= TRIES) || now.duration_since(since) > LONGEST
}

/// Tries that failed since it is being deleted, which made another generation of it.
fn tries(account: &CloudAccount) -> u32 {
    let status = account
        .status
        .as_ref()
        .filter(|status| status.observed_generation == account.metadata.generation);
    status.map_or(0, |status| status.failures)
}

fn since(account: &CloudAccount, now: Timestamp) -> Timestamp {
    account
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(now, |time| time.0)
}

async fn delete_trail<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    let role = context.roles.last(&context.runtime.client, account).await?;
    trail::remove(account, &role, context).await
}

/// Says why the account is not gone yet, and when that is tried again.
async fn retry<C>(
    account: &CloudAccount,
    error: &AccountError,
    tries: u32,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<Action, AccountError> {
    let wait = backoff::delay(tries, &account.uid().unwrap_or_default());
    let next = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let message = format!("deleting the trail: {error}");
    write_failure(
        account,
        error.reason(),
        message,
        Planned {
            failures: tries,
            next,
        },
        context,
        now,
    )
    .await?;
    if tries == 1 {
        context
            .runtime
            .publish_event(
                account,
                &warning(
                    "DeletingTrailFailed",
                    format!("{error}; it will be tried again"),
                ),
            )
            .await;
    }
    context.schedule.plan(account, next);
    Ok(Action::requeue(wait))
}

/// `TrailConfigured` says what is wrong, `Ready` that this is about to be gone.
async fn write_failure<C>(
    account: &CloudAccount,
    reason: &'static str,
    message: String,
    planned: Planned,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<(), AccountError> {
    let generation = account.metadata.generation;
    let before = account.status.clone().unwrap_or_default();
    let mut after = before.clone();
    after.observed_generation = generation;
    after.failures = planned.failures;
    after.next_check_time = Some(Time(planned.next));
    for (type_, reason) in [(TRAIL_CONFIGURED, reason), (READY, "Deleting")] {
        let change = ConditionUpdate {
            type_,
            status: ConditionStatus::False,
            reason,
            message: message.clone(),
        };
        after.conditions.set(&change, generation, now);
    }
    if !same_ignoring_times(&before, &after) {
        status::write(&context.accounts(account), account, &after)
            .await
            .context("writing the status")?;
    }
    Ok(())
}

/// Says what became of the trail.
async fn tell<C>(account: &CloudAccount, trail: Trail, context: &AccountContext<C>) {
    let arn = trail_arn(account);
    let event = match trail {
        Trail::Untouched => return,
        Trail::Deleted => normal("TrailDeleted", format!("{arn} is deleted")),
        Trail::Retained => normal(
            "TrailRetained",
            format!("{arn} is left as it is (deletionPolicy: Retain), and goes on writing"),
        ),
        Trail::LeftBehind(error) => warning("TrailLeftBehind", left_behind(account, &error)),
    };
    context.runtime.publish_event(account, &event).await;
}

fn left_behind(account: &CloudAccount, error: &AccountError) -> String {
    format!(
        "{} is left behind and goes on writing until it is deleted there: {error}",
        trail_arn(account)
    )
}

fn trail_arn(account: &CloudAccount) -> &str {
    let trail = account
        .status
        .as_ref()
        .and_then(|status| status.trail.as_ref());
    trail.map_or("the trail", |trail| trail.arn.as_str())
}

#[cfg(test)]
#[path = "cleanup_tests.rs"]
mod tests;
