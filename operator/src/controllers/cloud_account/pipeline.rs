//! The steps of a CloudAccount that is not being deleted:
//!
//! admit → access → claim → trail → discovery → flow
//!
//! The trail comes before discovery, so that nothing is missed between the two. The status notes each result; a step that
//! fails stops those after it. Steps are boxed: the SDK's futures are large, and together they would not fit on a thread's
//! stack in a debug build.

use jiff::Timestamp;

use super::context::{AccountContext, Cloud};
use super::error::{ForCondition, Stop};
use super::reconcile::Next;
use super::status::StatusBuilder;
use super::steps::admit::{self, AccountPlan, Admitted};
use super::steps::{READY, TRAIL_CONFIGURED, access, claim, discovery, flow, ready, trail};
use crate::controllers::error::KubernetesContext;
use crate::controllers::event::normal;
use crate::controllers::finalizer;
use cloudigrade_api::CloudAccount;
use cloudigrade_store::enrolments::{self, Enrolment};

/// Takes the steps that the plan for `account` has; each can be repeated.
pub(super) async fn run<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
    now: Timestamp,
) -> Result<Next, Stop> {
    finalizer::add(&context.accounts(account), account)
        .await
        .context("adding the finalizer")
        .for_condition(READY)?;
    context.roles.prime(&context.runtime.client, account).await;
    match admit::admit(account, context, now).await? {
        AccountPlan::Duplicate(holder) => Err(Stop::Duplicate(holder)),
        AccountPlan::NotDue(until, enrolment) => {
            status.set_enrolment(enrolment.as_ref());
            Ok(Next::NotDue(until))
        }
        AccountPlan::Suspend(enrolment) => {
            suspend(enrolment, account, context, status, now).await?;
            Ok(Next::Resync)
        }
        AccountPlan::Sync(admitted) => {
            sync(admitted, account, context, status, now).await?;
            Ok(Next::Resync)
        }
    }
}

/// All steps.
async fn sync<C: Cloud>(
    admitted: Admitted,
    account: &CloudAccount,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
    now: Timestamp,
) -> Result<(), Stop> {
    status.set_enrolment(admitted.enrolment.as_ref());

    let access = Box::pin(access::verify(admitted, account, context, now)).await?;
    status.set_account_id(access.role.arn.account_id());
    status.set_condition(access::verified(&access));

    let claimed = claim::claim(access, context, now).await?;
    status.set_enrolment(Some(&claimed.enrolment));

    let trail = Box::pin(trail::configure(&claimed, account, context)).await?;
    status.set_trail(Some(&trail.trail));
    status.set_condition(trail::configured(&trail));
    if !trail.repairs.is_empty() {
        let repairs = trail.repairs.join(", ");
        let note = format!("somebody had changed the trail; put right: {repairs}");
        status.add_event(normal("TrailRepaired", note));
    }

    let enabled = claim::enable(claimed, &trail, context, now).await?;
    status.set_enabled_at(enabled.enabled_at);

    let discovered = Box::pin(discovery::discover(enabled, account, context, now)).await?;
    status.set_discovery_time();
    status.set_condition(discovery::discovered(&discovered));

    status.set_condition(flow::flow(&trail.logging));
    status.set_condition(ready::metering());
    Ok(())
}

/// Metering stops first: the removal of the trail may fail and be repeated.
async fn suspend<C: Cloud>(
    enrolment: Option<Enrolment>,
    account: &CloudAccount,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
    now: Timestamp,
) -> Result<(), Stop> {
    status.set_enrolment(enrolment.as_ref());
    if let Some(enrolment) = enrolment {
        if !enrolment.suspended {
            enrolments::suspend(&context.database, enrolment.account, enrolment.uid, now)
                .await
                .for_condition(READY)?;
        }
        let role = context
            .roles
            .resolve(&context.runtime.client, account)
            .await
            .for_condition(TRAIL_CONFIGURED)?;
        Box::pin(trail::remove(account, &role, context))
            .await
            .for_condition(TRAIL_CONFIGURED)?;
        status.set_trail(None);
        status.set_condition(trail::suspended());
        status.set_condition(flow::suspended());
    }
    status.set_condition(ready::suspended());
    Ok(())
}
