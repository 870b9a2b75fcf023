//! Deletion: the trail is deleted, open runs end, history stays. A customer who has revoked access does not block it.

use jiff::{SignedDuration, Timestamp};

use super::context::{AccountContext, Cloud};
use super::error::{AccountError, ForCondition, Stop};
use super::reconcile::Next;
use super::status::{StatusBuilder, prior_failures};
use super::steps::{READY, TRAIL_CONFIGURED, admit, trail};
use crate::controllers::event::{normal, warning};
use crate::controllers::role::RoleError;
use cloudigrade_api::{CloudAccount, DeletionPolicy};
use cloudigrade_store::StoreError;
use cloudigrade_store::enrolments::{self, ClaimPlan, Enrolment};

/// Failures after which access counts as revoked: some 40 s.
const TRIES: u32 = 4;
/// Time after which the trail is left behind, for any error.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// The next thing to do with the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Nothing: the account is not ours.
    Ignore,
    Retain,
    Delete,
    /// The last try failed, and the next one is not due.
    Wait(Timestamp),
}

/// Brings the deletion of `account` a step further.
pub(super) async fn clean_up<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
    now: Timestamp,
) -> Result<Next, Stop> {
    let holder = holder(account, context).await.for_condition(READY)?;
    let ours = match &holder {
        Ok(holder) => holder.is_some(),
        // The ARN can't be read, which must not hold the object for ever: its status knows.
        Err(_) => account
            .status
            .as_ref()
            .is_some_and(|status| status.trail.is_some()),
    };
    let next_check = context.schedule.next(account);
    let event = match decide(account.spec.deletion_policy, ours, next_check, now) {
        Plan::Wait(until) => return Ok(Next::NotDue(until)),
        Plan::Ignore => None,
        Plan::Retain => Some(normal(
            "TrailRetained",
            format!(
                "{} is left as it is (deletionPolicy: Retain), and goes on writing",
                trail_arn(account)
            ),
        )),
        Plan::Delete => match delete_trail(account, context).await {
            Ok(()) => Some(normal(
                "TrailDeleted",
                format!("{} is deleted", trail_arn(account)),
            )),
            Err(error) => {
                let tries = prior_failures(account) + 1;
                if !gives_up(&error, tries, since(account, now), now) {
                    if tries == 1 {
                        let note = format!("{error}; it will be tried again");
                        status.add_event(warning("DeletingTrailFailed", note));
                    }
                    return Err(error).for_condition(TRAIL_CONFIGURED)?;
                }
                context.count_failure(&error);
                let message = format!(
                    "{} is left behind and goes on writing until it is deleted there: {error}",
                    trail_arn(account)
                );
                status.leave_trail_behind(&message);
                Some(warning("TrailLeftBehind", message))
            }
        },
    };
    let holder = holder.ok().flatten();
    let uid = holder.map_or_else(|| admit::uid(account), |holder| holder.uid);
    enrolments::release(&context.database, uid, now)
        .await
        .for_condition(READY)?;
    event.into_iter().for_each(|event| status.add_event(event));
    Ok(Next::LetGo)
}

/// Returns the enrolment of the account, if this CloudAccount has it: only the holder of an account makes a trail.
async fn holder<C>(
    account: &CloudAccount,
    context: &AccountContext<C>,
) -> Result<Result<Option<Enrolment>, RoleError>, StoreError> {
    let claimant = match admit::claimant(account) {
        Ok(claimant) => claimant,
        Err(error) => return Ok(Err(error)),
    };
    let holder = enrolments::holder(&context.database, &claimant.account_id).await?;
    let ours = |holder: &Enrolment| {
        let plan = claimant.plan(holder, None);
        matches!(plan, ClaimPlan::Keep | ClaimPlan::CarryOn)
    };
    Ok(Ok(holder.filter(ours)))
}

fn decide(
    policy: DeletionPolicy,
    ours: bool,
    next_check: Option<Timestamp>,
    now: Timestamp,
) -> Plan {
    match (ours, policy, next_check) {
        (false, ..) => Plan::Ignore,
        (true, DeletionPolicy::Retain, _) => Plan::Retain,
        (true, DeletionPolicy::Delete, Some(next)) if now < next => Plan::Wait(next),
        (true, DeletionPolicy::Delete, _) => Plan::Delete,
    }
}

/// Decides to let go with the trail still there.
fn gives_up(error: &AccountError, tries: u32, since: Timestamp, now: Timestamp) -> bool {
    (error.is_lost_access() && tries >= TRIES) || now.duration_since(since) > LONGEST
}

fn since(account: &CloudAccount, now: Timestamp) -> Timestamp {
    let deleted_at = account.metadata.deletion_timestamp.as_ref();
    deleted_at.map_or(now, |time| time.0)
}

async fn delete_trail<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
) -> Result<(), AccountError> {
    let client = &context.runtime.client;
    let role = context.roles.resolve_or_cached(client, account).await?;
    trail::remove(account, &role, context).await
}

fn trail_arn(account: &CloudAccount) -> &str {
    let trail = account
        .status
        .as_ref()
        .and_then(|status| status.trail.as_ref());
    trail.map_or("the trail", |trail| trail.arn.as_str())
}

#[cfg(test)]
mod tests;
