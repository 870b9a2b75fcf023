//! Admission: the claim that the spec makes, its holder by Postgres, and the time of the next check decide which steps are
//! taken. It asks nothing of the cloud.

use jiff::Timestamp;
use kube::{Api, ResourceExt};
use uuid::Uuid;

use super::{ACCESS_VERIFIED, READY};
use crate::controllers::cloud_account::context::AccountContext;
use crate::controllers::cloud_account::error::{ForCondition, StepError};
use crate::controllers::error::{KubernetesContext, KubernetesError};
use crate::controllers::role::RoleError;
use cloudigrade_api::{CloudAccount, CloudAccountSpec};
use cloudigrade_cloud::RoleArn;
use cloudigrade_store::enrolments::{self, ClaimPlan, Claimant, Enrolment};

/// The steps that are taken for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountPlan {
    /// None: this CloudAccount, which is older, meters the AWS account.
    Duplicate(Enrolment),
    /// None: the next check is due only then. The status still follows Postgres.
    NotDue(Timestamp, Option<Enrolment>),
    /// Metering stops, and nothing is forgotten.
    Suspend(Option<Enrolment>),
    /// All steps.
    Sync(Admitted),
}

/// A CloudAccount that no older one precedes; only for such a one access is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// This CloudAccount, as one that would meter its AWS account
    pub(crate) claimant: Claimant,
    /// Its enrolment, from an earlier claim
    pub(crate) enrolment: Option<Enrolment>,
    /// UID of the holder, if that does not exist any more
    pub(crate) gone: Option<Uuid>,
}

/// Reads the holder of the account, and decides.
pub(crate) async fn admit<C>(
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<AccountPlan, StepError> {
    let claimant = claimant(account).for_condition(ACCESS_VERIFIED)?;
    let holder = enrolments::holder(&context.database, &claimant.account_id)
        .await
        .for_condition(READY)?;
    let gone = match &holder {
        Some(holder) if claimant.plan(holder, None) == ClaimPlan::Refuse => {
            gone(holder, context).await.for_condition(READY)?
        }
        _ => None,
    };
    let next_check = context.schedule.next(account);
    let spec = &account.spec;
    Ok(decide(spec, claimant, holder, gone, next_check, now))
}

/// Returns the UID of the holder if the API server does not know it any more: a finalizer that was stripped, or another cluster.
async fn gone<C>(
    holder: &Enrolment,
    context: &AccountContext<C>,
) -> Result<Option<Uuid>, KubernetesError> {
    let accounts: Api<CloudAccount> =
        Api::namespaced(context.runtime.client.clone(), &holder.namespace);
    let found = accounts
        .get_metadata_opt(&holder.name)
        .await
        .context("looking for the CloudAccount that has the AWS account")?;
    let uid = found.and_then(|found| found.metadata.uid);
    let exists = uid.is_some_and(|uid| uid == holder.uid.to_string());
    Ok((!exists).then_some(holder.uid))
}

fn decide(
    spec: &CloudAccountSpec,
    claimant: Claimant,
    holder: Option<Enrolment>,
    gone: Option<Uuid>,
    next_check: Option<Timestamp>,
    now: Timestamp,
) -> AccountPlan {
    let enrolment = match holder.map(|holder| (claimant.plan(&holder, gone), holder)) {
        Some((ClaimPlan::Refuse, holder)) => return AccountPlan::Duplicate(holder),
        Some((ClaimPlan::Keep | ClaimPlan::CarryOn, holder)) => Some(holder),
        Some((ClaimPlan::Replace, _)) | None => None,
    };
    match next_check {
        Some(at) if now < at => AccountPlan::NotDue(at, enrolment),
        _ if spec.suspend => AccountPlan::Suspend(enrolment),
        _ => AccountPlan::Sync(Admitted {
            claimant,
            enrolment,
            gone,
        }),
    }
}

/// Returns `account` as one that would meter its AWS account.
///
/// # Errors
/// When the ARN of the role can't be read.
pub(crate) fn claimant(account: &CloudAccount) -> Result<Claimant, RoleError> {
    let arn: RoleArn = account.spec.aws.role_arn.parse()?;
    Ok(Claimant {
        account_id: arn.account_id().to_owned(),
        org_id: account.spec.owner.org_id.clone(),
        role_arn: arn.as_str().to_owned(),
        account_number: account.spec.owner.account_number.clone(),
        uid: uid(account),
        namespace: account.namespace().unwrap_or_default(),
        name: account.name_any(),
        created_at: account
            .creation_timestamp()
            .map_or(Timestamp::MAX, |time| time.0),
    })
}

/// Returns the UID of `account`, as enrolments refer to it.
pub(crate) fn uid(account: &CloudAccount) -> Uuid {
    let uid = account.metadata.uid.as_deref();
    uid.and_then(|uid| uid.parse().ok()).unwrap_or(Uuid::nil())
}

#[cfg(test)]
mod tests;
