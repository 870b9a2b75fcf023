//! Access: the role is a customer's, can be assumed with the external id only, leads to the account of its ARN, and may do all
//! that is needed.
//! The original proved access in the same way (`docs/design/original.md#access`).

use jiff::Timestamp;
use uuid::Uuid;

use super::ACCESS_VERIFIED;
use super::admit::Admitted;
use crate::controllers::cloud_account::context::{AccountContext, Cloud};
use crate::controllers::cloud_account::error::{AccountError, ForCondition, StepError};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate};
use cloudigrade_cloud::{Access, CloudError, ErrorKind, ExternalId, IamRole};
use cloudigrade_store::enrolments::Claimant;

/// An account that lets us in, and the role that does.
#[derive(Debug)]
pub(crate) struct VerifiedAccess {
    /// The role
    pub(crate) role: IamRole,
    /// The claim to make, now that access is proven
    pub(crate) claimant: Claimant,
    /// UID of the holder, if that does not exist any more
    pub(crate) gone: Option<Uuid>,
}

/// Proves access anew.
pub(crate) async fn verify<C: Cloud>(
    admitted: Admitted,
    account: &CloudAccount,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Result<VerifiedAccess, StepError> {
    let role = context
        .roles
        .resolve(&context.runtime.client, account)
        .await
        .for_condition(ACCESS_VERIFIED)?;
    prove(&role, &context.cloud)
        .await
        .for_condition(ACCESS_VERIFIED)?;
    if !context.demanded.is_known(account, &role, now) {
        prove_demand(&role, &context.cloud)
            .await
            .for_condition(ACCESS_VERIFIED)?;
        context.demanded.remember(account, &role, now);
    }
    Ok(VerifiedAccess {
        role,
        claimant: admitted.claimant,
        gone: admitted.gone,
    })
}

/// The condition of an account with access.
pub(crate) fn verified(access: &VerifiedAccess) -> ConditionUpdate {
    let account_id = access.role.arn.account_id();
    ConditionUpdate {
        type_: ACCESS_VERIFIED,
        status: ConditionStatus::True,
        reason: "RoleAssumed",
        message: format!("the role leads to account {account_id} and may describe it"),
    }
}

/// Nothing is assumed in the own account: its roles trust it for other things than metering.
async fn prove(role: &IamRole, cloud: &impl Access) -> Result<(), AccountError> {
    let own = cloud.own_account().await?;
    if role.arn.account_id() == own {
        return Err(AccountError::OwnAccount(own));
    }
    let identity = cloud.identity(role).await.map_err(refused)?;
    let denied = cloud.denied(role).await.map_err(refused)?;
    decide(role.arn.account_id(), &identity, denied)
}

/// A role that does not ask for the external id would serve whoever knows its ARN.
async fn prove_demand(role: &IamRole, cloud: &impl Access) -> Result<(), AccountError> {
    if cloud.accepts(role, None).await? {
        return Err(AccountError::ExternalIdNotRequired(
            "without an external id",
        ));
    }
    let another = ExternalId::of_number(Uuid::new_v4().as_u128());
    if cloud.accepts(role, Some(&another)).await? {
        return Err(AccountError::ExternalIdNotRequired(
            "with another external id",
        ));
    }
    Ok(())
}

fn refused(error: CloudError) -> AccountError {
    match error.kind {
        ErrorKind::Denied => AccountError::RoleRefused(error),
        _ => AccountError::Cloud(error),
    }
}

fn decide(account_id: &str, identity: &str, denied: Vec<&'static str>) -> Result<(), AccountError> {
    if identity != account_id {
        return Err(AccountError::WrongAccount {
            expected: account_id.to_owned(),
            actual: identity.to_owned(),
        });
    }
    if !denied.is_empty() {
        return Err(AccountError::ActionsDenied(denied));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("210987654321", vec![], Ok(()))]
    #[case("999999999999", vec![], Err("CG3002 the role leads to account 999999999999, not to 210987654321 as its ARN says"))]
    #[case("210987654321", vec!["ec2:DescribeImages", "ec2:DescribeRegions"], Err("CG3003 the role's policy does not allow ec2:DescribeImages, ec2:DescribeRegions; add that to it"))]
    fn access_is_the_right_account_and_every_action(
        #[case] identity: &str,
        #[case] denied: Vec<&'static str>,
        #[case] expected: Result<(), &str>,
    ) {
        let decided = decide("210987654321", identity, denied);
        assert_eq!(
            decided.map_err(|error| error.to_string()),
            expected.map_err(String::from)
        );
    }
}
