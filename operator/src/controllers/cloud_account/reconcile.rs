//! One pass over one account: observe, decide, act, report.

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::act::act;
use super::cleanup::clean_up;
use super::context::{AccountContext, Cloud};
use super::decide::decide;
use super::error::AccountError;
use super::observe::observe;
use super::report::report;
use crate::controllers::error::KubernetesContext;
use crate::controllers::finalizer;
use crate::controllers::runtime::Reconciler;
use cloudigrade_api::CloudAccount;

/// Name of the kind in spans and metrics.
const KIND: &str = "CloudAccount";

impl<C: Cloud> Reconciler for AccountContext<C> {
    const KIND: &'static str = KIND;
    type Object = CloudAccount;
    type Error = AccountError;

    async fn reconcile(
        &self,
        account: &CloudAccount,
        now: Timestamp,
    ) -> Result<Action, AccountError> {
        pass(account, self, now).await
    }
}

pub(super) async fn pass<C: Cloud>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<Action, AccountError> {
    if account.metadata.deletion_timestamp.is_some() {
        return Box::pin(clean_up(account, context, now)).await;
    }
    finalizer::add(&context.accounts(account), account)
        .await
        .context("adding the finalizer")?;
    context.roles.learn(&context.runtime.client, account).await;

    let seen = observe(account, context).await?;
    let plan = decide(&account.spec, &seen, now);
    let done = Box::pin(act(account, &seen, &plan, context, now)).await;
    report(account, &seen, &plan, &done, context, now).await
}

impl<C> AccountContext<C> {
    /// Counts a step that failed.
    pub(super) fn count_failure(&self, error: &AccountError) {
        self.runtime.count_failure(KIND, error);
    }
}
