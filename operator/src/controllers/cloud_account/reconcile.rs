//! One reconciliation of one account: the [steps](super::pipeline) or the [deletion](super::deletion), and for every outcome
//! a status.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::context::{AccountContext, Cloud};
use super::error::{AccountError, ForCondition, StepError, Stop};
use super::status::StatusBuilder;
use super::steps::READY;
use super::{deletion, pipeline};
use crate::controllers::error::{ErrorReason, KubernetesContext};
use crate::controllers::runtime::Reconciler;
use crate::controllers::{finalizer, status};
use cloudigrade_api::{CloudAccount, FINALIZER};
use cloudigrade_store::account_status;

/// Name of the kind in spans and metrics.
const KIND: &str = "CloudAccount";

/// The end of a reconciliation without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next check, after the interval of the spec.
    Resync,
    /// The check that is planned already.
    NotDue(Timestamp),
    /// The end: nothing holds the object any more.
    LetGo,
}

impl<C: Cloud> Reconciler for AccountContext<C> {
    const KIND: &'static str = KIND;
    type Object = CloudAccount;
    type Error = AccountError;

    async fn reconcile(
        &self,
        account: &CloudAccount,
        now: Timestamp,
    ) -> Result<Action, AccountError> {
        reconcile_once(account, self, now).await
    }
}

pub(super) async fn reconcile_once<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<Action, AccountError> {
    let deleting = account.metadata.deletion_timestamp.is_some();
    if deleting && !account.finalizers().iter().any(|name| name == FINALIZER) {
        context.forget(account);
        return Ok(Action::await_change());
    }
    let mut status = StatusBuilder::new(account, now);
    let ended = if deleting {
        Box::pin(deletion::clean_up(account, context, &mut status, now)).await
    } else {
        Box::pin(pipeline::run(account, context, &mut status, now)).await
    };
    let ended = match count(&mut status, context).await {
        Err(error) if ended.is_ok() => Err(error.into()),
        _ => ended,
    };
    match ended {
        Ok(Next::Resync) => status.resync(),
        Ok(Next::NotDue(until)) => status.not_due(until),
        Ok(Next::LetGo) => return let_go(account, context, status).await,
        Err(Stop::Duplicate(holder)) => status.duplicate(&holder),
        Err(Stop::Failed(failure)) => fail(failure, context, &mut status)?,
    }
    write(account, context, &mut status).await
}

/// Reads the counts of the account's instances and images from Postgres.
async fn count<C>(
    status: &mut StatusBuilder<'_>,
    context: &AccountContext<C>,
) -> Result<(), StepError> {
    if let Some(account) = status.enrolled() {
        let counts = account_status::counts(&context.database, account)
            .await
            .for_condition(READY)?;
        status.set_counts(&counts);
    }
    Ok(())
}

/// Notes a failure in the status.
///
/// # Errors
/// When the object was changed meanwhile: the failure says nothing about its present state.
fn fail<C>(
    failure: StepError,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
) -> Result<(), AccountError> {
    let StepError { condition, error } = failure;
    if error.is_conflict() {
        return Err(*error);
    }
    context.count_failure(&error);
    tracing::info!(condition, reason = error.reason(), %error, "a step failed");
    status.fail(condition, &error);
    Ok(())
}

/// Writes the status if it says anything new, and publishes events; plans the next check.
async fn write<C>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    status: &mut StatusBuilder<'_>,
) -> Result<Action, AccountError> {
    let update = status.build();
    if update.is_needed {
        status::write(&context.accounts(account), account, &update.status)
            .await
            .context("writing the status")?;
    }
    for event in &update.events {
        context.runtime.publish_event(account, event).await;
    }
    context.schedule.plan(account, update.next);
    Ok(Action::requeue(update.wait))
}

/// Lets the object go, now that nothing is left to clean up.
async fn let_go<C>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    mut status: StatusBuilder<'_>,
) -> Result<Action, AccountError> {
    write(account, context, &mut status).await?;
    let removed = finalizer::remove(&context.accounts(account), account)
        .await
        .context("removing the finalizer")
        .for_condition(READY);
    match removed {
        Ok(()) => {
            context.forget(account);
            Ok(Action::await_change())
        }
        Err(failure) => {
            fail(failure, context, &mut status)?;
            write(account, context, &mut status).await
        }
    }
}

impl<C> AccountContext<C> {
    /// Counts a step that failed.
    pub(super) fn count_failure(&self, error: &AccountError) {
        self.runtime.count_failure(KIND, error);
    }
}
