//! One pass over one account: observe, decide, act, report.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use uuid::Uuid;

use super::Guarded;
use super::act::act;
use super::cleanup::clean_up;
use super::context::{Cloud, Context};
use super::decide::decide;
use super::error::{Doing, Error};
use super::observe::observe;
use super::report::report;
use crate::controllers::event::warning;
use crate::controllers::finalizer;
use crate::telemetry::{KindLabel, ReasonLabel};
use cloudigrade_api::CloudAccount;

/// Label of the metrics.
const KIND: &str = "CloudAccount";

/// Brings one account to what its spec says.
#[tracing::instrument(skip_all, fields(
    kind = KIND,
    namespace = object.namespace(),
    name = object.name_any(),
    trace_id = %Uuid::new_v4().simple(),
))]
pub(super) async fn reconcile<C: Cloud>(
    object: Arc<Guarded>,
    context: Arc<Context<C>>,
) -> Result<Action, Error> {
    let account = match &object.0 {
        Ok(account) => account,
        Err(invalid) => {
            let note = format!(
                "this version cannot read the resource and leaves it alone: {}",
                invalid.error
            );
            context.tell(&*object, &warning("Invalid", note)).await;
            return Ok(Action::await_change());
        }
    };
    let begun = Instant::now();
    let result = pass(account, &context, Timestamp::now()).await;
    context
        .metrics
        .reconciles
        .get_or_create(&KindLabel { kind: KIND })
        .inc();
    context
        .metrics
        .reconcile_seconds
        .get_or_create(&KindLabel { kind: KIND })
        .observe(begun.elapsed().as_secs_f64());
    match &result {
        Ok(_) => context.backoff.reset(&account.uid().unwrap_or_default()),
        Err(error) => context.count_failure(error),
    }
    result
}

/// When to come back after a pass that could not even report; the wait grows with each in a row.
pub(super) fn error_policy<C>(object: Arc<Guarded>, _: &Error, context: Arc<Context<C>>) -> Action {
    Action::requeue(context.backoff.next(&object.uid().unwrap_or_default()))
}

pub(super) async fn pass<C: Cloud>(
    account: &CloudAccount,
    context: &Context<C>,
    now: Timestamp,
) -> Result<Action, Error> {
    if account.metadata.deletion_timestamp.is_some() {
        return Box::pin(clean_up(account, context, now)).await;
    }
    finalizer::add(&context.accounts(account), account)
        .await
        .doing("adding the finalizer")?;
    context.roles.learn(&context.client, account).await;

    let seen = observe(account, context).await?;
    let plan = decide(&account.spec, &seen, now);
    let done = Box::pin(act(account, &seen, &plan, context, now)).await;
    report(account, &seen, &plan, &done, context, now).await
}

impl<C> Context<C> {
    /// Counts a pass, or a step of it, that failed.
    pub(super) fn count_failure(&self, error: &Error) {
        self.metrics
            .reconcile_errors
            .get_or_create(&ReasonLabel {
                kind: KIND,
                reason: error.reason(),
            })
            .inc();
    }
}
