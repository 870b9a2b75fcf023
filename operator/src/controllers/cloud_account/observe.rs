//! What a pass begins with: reads that cost little, and ask nothing of the cloud.

use jiff::Timestamp;
use kube::ResourceExt;
use uuid::Uuid;

use super::context::AccountContext;
use super::error::AccountError;
use crate::controllers::role::RoleError;
use cloudigrade_api::CloudAccount;
use cloudigrade_cloud::RoleArn;
use cloudigrade_store::enrolments::{self, Claimant, Enrolment};

/// What is known before anything is done.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// This CloudAccount, as one that would meter its account
    pub(super) claimant: Claimant,
    /// Who meters the account now
    pub(super) holder: Option<Enrolment>,
    /// When the account is to be looked at
    pub(super) next_check: Option<Timestamp>,
}

impl Seen {
    /// The enrolment, if it is this CloudAccount's.
    pub(super) fn enrolment(&self) -> Option<&Enrolment> {
        self.holder
            .as_ref()
            .filter(|holder| holder.uid == self.claimant.uid)
    }
}

/// Looks at Postgres and at the schedule.
pub(super) async fn observe<C>(
    account: &CloudAccount,
    context: &AccountContext<C>,
) -> Result<Seen, AccountError> {
    let claimant = claimant(account)?;
    let holder = enrolments::holder(&context.database, &claimant.account_id).await?;
    Ok(Seen {
        claimant,
        holder,
        next_check: context.schedule.next(account),
    })
}

/// `account` as one that would meter its AWS account.
pub(super) fn claimant(account: &CloudAccount) -> Result<Claimant, AccountError> {
    let arn: RoleArn = account.spec.aws.role_arn.parse().map_err(RoleError::Arn)?;
    Ok(Claimant {
        account_id: arn.account_id().to_owned(),
        org_id: account.spec.owner.org_id.clone(),
        role_arn: arn.as_str().to_owned(),
        account_number: account.spec.owner.account_number.clone(),
        uid: account
            .metadata
            .uid
            .as_deref()
            .and_then(|uid| uid.parse().ok())
            .unwrap_or(Uuid::nil()),
        namespace: account.namespace().unwrap_or_default(),
        name: account.name_any(),
        created_at: account
            .creation_timestamp()
            .map_or(Timestamp::MAX, |time| time.0),
    })
}
