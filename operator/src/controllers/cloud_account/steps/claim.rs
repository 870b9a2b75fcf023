//! The claim: one CloudAccount meters an AWS account, the oldest with access to it. Access comes first, so that a
//! CloudAccount with a useless role can't block a working one.

use jiff::Timestamp;

use super::READY;
use super::access::VerifiedAccess;
use super::trail::ConfiguredTrail;
use crate::controllers::cloud_account::context::AccountContext;
use crate::controllers::cloud_account::error::{ForCondition, StepError, Stop};
use cloudigrade_cloud::IamRole;
use cloudigrade_store::AccountKey;
use cloudigrade_store::enrolments::{self, Claim, Enrolment};

/// An account that no other CloudAccount may touch.
#[derive(Debug)]
pub(crate) struct ClaimedAccount {
    /// Its role
    pub(crate) role: IamRole,
    /// Its enrolment
    pub(crate) enrolment: Enrolment,
}

/// An account whose events count.
#[derive(Debug)]
pub(crate) struct EnabledAccount {
    /// Its role
    pub(crate) role: IamRole,
    /// Its key
    pub(crate) account: AccountKey,
    /// Start of its metered period
    pub(crate) enabled_at: Timestamp,
}

/// Claims the account, or keeps the claim.
pub(crate) async fn claim<C>(
    access: VerifiedAccess,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<ClaimedAccount, Stop> {
    let claim = enrolments::claim(&context.database, &access.claimant, access.gone, now)
        .await
        .for_condition(READY)?;
    match claim {
        Claim::Ours(enrolment) => Ok(ClaimedAccount {
            role: access.role,
            enrolment,
        }),
        Claim::Held(holder) => Err(Stop::Duplicate(holder)),
    }
}

/// Begins metering, once the trail records.
pub(crate) async fn enable<C>(
    claimed: ClaimedAccount,
    _: &ConfiguredTrail,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<EnabledAccount, StepError> {
    let Enrolment { account, uid, .. } = claimed.enrolment;
    let enabled_at = enrolments::enable(&context.database, account, uid, now)
        .await
        .for_condition(READY)?
        // Lost since it was claimed, which the next reconciliation finds. Its instances may be recorded all the same: nobody pays for them.
        .unwrap_or(now);
    Ok(EnabledAccount {
        role: claimed.role,
        account,
        enabled_at,
    })
}
