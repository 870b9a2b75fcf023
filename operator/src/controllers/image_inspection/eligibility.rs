//! Rule for the accounts whose images can be inspected now.

use cloudigrade_api::{CloudAccount, Conditions, Runner};

/// The reason that nothing can be inspected in an account now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ineligible {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Returns the account called `name` if its images can be inspected now.
///
/// # Errors
/// The first reason against it.
pub(crate) fn eligibility<'a>(
    name: &str,
    account: Option<&'a CloudAccount>,
) -> Result<&'a CloudAccount, Ineligible> {
    let ineligible = |reason, message| Err(Ineligible { reason, message });
    let Some(account) = account else {
        return ineligible(
            "CloudAccountNotFound",
            format!("there is no CloudAccount {name} in this namespace"),
        );
    };
    if account.metadata.deletion_timestamp.is_some() {
        return ineligible(
            "CloudAccountDeleted",
            format!("CloudAccount {name} is being deleted"),
        );
    }
    if account.spec.suspend {
        return ineligible(
            "CloudAccountSuspended",
            format!("CloudAccount {name} is suspended"),
        );
    }
    if account.spec.inspection.runner == Runner::Disabled {
        return ineligible(
            "InspectionDisabled",
            format!("CloudAccount {name} has spec.inspection.runner: Disabled"),
        );
    }
    let ready = account
        .status
        .as_ref()
        .is_some_and(|status| status.conditions.is_true("Ready"));
    if !ready {
        return ineligible(
            "CloudAccountNotReady",
            format!("CloudAccount {name} is not Ready; its conditions say why"),
        );
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn ready(status: &str) -> Value {
        json!({"conditions": [{"type": "Ready", "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-11-22T12:00:00Z"}]})
    }

    #[rstest]
    #[case::ready(json!({}), ready("True"), Ok(()))]
    #[case::not_ready(json!({}), ready("False"), Err("CloudAccountNotReady"))]
    #[case::never_checked(json!({}), json!(null), Err("CloudAccountNotReady"))]
    #[case::suspended(json!({"suspend": true}), ready("True"), Err("CloudAccountSuspended"))]
    #[case::disabled(json!({"inspection": {"runner": "Disabled"}}), json!(null), Err("InspectionDisabled"))]
    fn the_account_must_let_us(
        #[case] spec: Value,
        #[case] status: Value,
        #[case] expected: Result<(), &'static str>,
    ) {
        let mut account = json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount", "metadata": {"name": "acme"}, "status": status,
            "spec": {"owner": {"orgId": "1"}, "aws": {"roleArn": "arn:aws:iam::210987654321:role/m", "externalId": "xx"}},
        });
        account["spec"]
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        let account: CloudAccount = serde_json::from_value(account).unwrap();
        assert_eq!(
            eligibility("acme", Some(&account))
                .map(|_| ())
                .map_err(|why| why.reason),
            expected
        );
        assert_eq!(
            eligibility("acme", None).unwrap_err().reason,
            "CloudAccountNotFound"
        );
        let mut leaving = account;
        leaving.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(
            eligibility("acme", Some(&leaving)).unwrap_err().reason,
            "CloudAccountDeleted"
        );
    }
}
