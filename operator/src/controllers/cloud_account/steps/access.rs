//! Access: the role can be assumed, leads where its ARN says, and may do what is needed (§2.3).

use super::ACCESS_VERIFIED;
use crate::controllers::cloud_account::error::AccountError;
use cloudigrade_api::{ConditionStatus, ConditionUpdate};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{Access, CloudError, ErrorKind};

/// Proves access anew.
pub(in crate::controllers::cloud_account) async fn verify(
    role: &IamRole,
    cloud: &impl Access,
) -> Result<ConditionUpdate, AccountError> {
    let identity = cloud.identity(role).await.map_err(refused)?;
    let denied = cloud.denied(role).await.map_err(refused)?;
    decide(role.arn.account_id(), &identity, denied)
}

fn refused(error: CloudError) -> AccountError {
    match error.kind {
        ErrorKind::Denied => AccountError::RoleRefused(error),
        _ => AccountError::Cloud(error),
    }
}

fn decide(
    account_id: &str,
    identity: &str,
    denied: Vec<&'static str>,
) -> Result<ConditionUpdate, AccountError> {
    if identity != account_id {
        return Err(AccountError::WrongAccount {
            expected: account_id.to_owned(),
            actual: identity.to_owned(),
        });
    }
    if !denied.is_empty() {
        return Err(AccountError::ActionsDenied(denied));
    }
    Ok(ConditionUpdate {
        type_: ACCESS_VERIFIED,
        status: ConditionStatus::True,
        reason: "RoleAssumed",
        message: format!("the role leads to account {account_id} and may describe it"),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("210987654321", vec![], Ok("RoleAssumed"))]
    #[case("999999999999", vec![], Err("CG3002 the role leads to account 999999999999, not to 210987654321 as its ARN says"))]
    #[case("210987654321", vec!["ec2:DescribeImages", "ec2:DescribeRegions"], Err("CG3003 the role's policy does not allow ec2:DescribeImages, ec2:DescribeRegions; add that to it"))]
    fn access_is_the_right_account_and_every_action(
        #[case] identity: &str,
        #[case] denied: Vec<&'static str>,
        #[case] expected: Result<&str, &str>,
    ) {
        let decided = decide("210987654321", identity, denied);
        assert_eq!(
            decided
                .map(|change| change.reason)
                .map_err(|error| error.to_string()),
            expected.map_err(String::from)
        );
    }
}
