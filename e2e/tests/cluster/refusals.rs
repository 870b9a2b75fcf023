//! Mistakes of customers, and the conditions that name them.

use e2e::{Environment, Failure, Fault, until};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn a_wrong_external_id_is_said_and_can_be_put_right() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("external").await?;
    let resources = environment.resources("external").await?;
    let mut manifest = resources.manifest("external", &customer)?;
    manifest.spec.aws.external_id = Some("not-the-one".into());
    resources
        .accounts
        .create(&PostParams::default(), &manifest)
        .await?;
    let condition = resources
        .condition("external", "AccessVerified", "False", None)
        .await?;
    assert!(condition.message.contains("CG3002"), "{condition:?}");
    assert!(
        !condition.message.contains("not-the-one"),
        "an external id is not repeated: {condition:?}"
    );
    resources
        .condition("external", "Ready", "False", None)
        .await?;
    let right = json!({"spec": {"aws": {"externalId": customer.external_id}}});
    resources
        .accounts
        .patch("external", &PatchParams::default(), &Patch::Merge(&right))
        .await?;
    resources
        .condition("external", "Ready", "True", None)
        .await?;
    resources.delete("external").await?;
    resources.done().await
}

#[tokio::test]
async fn a_missing_permission_is_named() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("permission").await?;
    let resources = environment.resources("permission").await?;
    let fault = Fault {
        service: "ec2",
        operation: "DescribeInstances",
        account: &customer.account,
        error: Some("access-denied"),
        ..Fault::default()
    };
    let fault = environment.emulator.fault(&fault).await?;
    resources.apply("permission", &customer).await?;
    let condition = resources
        .condition("permission", "AccessVerified", "False", None)
        .await?;
    assert!(
        condition.message.contains("CG3003") && condition.message.contains("ec2:DescribeInstances"),
        "{condition:?}"
    );
    environment.emulator.clear(fault).await?;
    resources
        .condition("permission", "Ready", "True", None)
        .await?;
    resources.delete("permission").await?;
    resources.done().await
}

#[tokio::test]
async fn throttling_passes() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("throttled").await?;
    let resources = environment.resources("throttled").await?;
    for (service, operation) in [("ec2", "DescribeInstances"), ("cloudtrail", "CreateTrail")] {
        let fault = Fault {
            service,
            operation,
            account: &customer.account,
            error: Some("throttling"),
            count: Some(6),
            ..Fault::default()
        };
        environment.emulator.fault(&fault).await?;
    }
    resources.apply("throttled", &customer).await?;
    resources
        .condition("throttled", "Ready", "True", None)
        .await?;
    resources.delete("throttled").await?;
    resources.done().await
}

#[tokio::test]
async fn an_account_full_of_trails_is_told_so() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("trails").await?;
    for number in 0..5 {
        let name = format!("of-their-own-{number}");
        customer
            .cloudtrail()
            .create_trail()
            .name(name)
            .s3_bucket_name("cloudigrade-trails")
            .send()
            .await?;
    }
    let resources = environment.resources("trails").await?;
    resources.apply("trails", &customer).await?;
    let condition = resources
        .condition("trails", "TrailConfigured", "False", None)
        .await?;
    assert!(condition.message.contains("CG3001"), "{condition:?}");
    resources
        .condition("trails", "AccessVerified", "True", None)
        .await?;
    customer
        .cloudtrail()
        .delete_trail()
        .name("of-their-own-0")
        .send()
        .await?;
    resources.condition("trails", "Ready", "True", None).await?;
    resources.delete("trails").await?;
    assert_eq!(
        customer.trails().await?.len(),
        4,
        "the customer's own trails are left alone"
    );
    resources.done().await
}

#[tokio::test]
async fn an_account_is_metered_once() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("twice").await?;
    let resources = environment.resources("twice").await?;
    resources.apply("first", &customer).await?;
    resources.condition("first", "Ready", "True", None).await?;
    resources.apply("second", &customer).await?;
    let condition = resources
        .condition("second", "Ready", "False", Some("DuplicateAccount"))
        .await?;
    assert!(
        condition.message.contains("first"),
        "says who has it: {condition:?}"
    );
    resources.delete("second").await?;
    assert_eq!(
        customer.trails().await?.len(),
        1,
        "a duplicate touches nothing"
    );
    resources.condition("first", "Ready", "True", None).await?;
    resources.delete("first").await?;
    resources.done().await
}

#[tokio::test]
async fn the_api_server_refuses_what_cannot_work() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("refused").await?;
    let resources = environment.resources("refused").await?;
    let refuse = async |change: fn(&mut cloudigrade_api::CloudAccountSpec),
                        hint: &str|
           -> Result<(), Failure> {
        let mut manifest = resources.manifest("refused", &customer)?;
        change(&mut manifest.spec);
        let answer = resources
            .accounts
            .create(&PostParams::default(), &manifest)
            .await;
        let message = answer
            .err()
            .ok_or_else(|| format!("accepted; expected: {hint}"))?
            .to_string();
        assert!(message.contains(hint), "{message}");
        Ok(())
    };
    refuse(
        |spec| spec.aws.role_arn = "arn:aws:iam::12345:user/me".into(),
        "arn:aws:iam::123456789012:role/NAME",
    )
    .await?;
    refuse(
        |spec| spec.aws.external_id = None,
        "exactly one of externalId and externalIdSecretRef",
    )
    .await?;
    refuse(|spec| spec.owner.org_id = String::new(), "orgId").await?;

    resources.apply("refused", &customer).await?;
    let moved = json!({"spec": {"aws": {"roleArn": "arn:aws:iam::999999999999:role/cloudigrade-metering"}}});
    let answer = resources
        .accounts
        .patch("refused", &PatchParams::default(), &Patch::Merge(&moved))
        .await;
    assert!(answer.is_err_and(|error| error.to_string().contains("immutable")));
    resources.delete("refused").await?;
    resources.done().await
}

#[tokio::test]
async fn a_customer_who_has_gone_does_not_block_deletion() -> Result<(), Failure> {
    let environment = Environment::enter().await?;
    let customer = environment.customer("revoked").await?;
    let resources = environment.resources("revoked").await?;
    resources.apply("revoked", &customer).await?;
    resources
        .condition("revoked", "Ready", "True", None)
        .await?;
    let denied = Fault {
        service: "cloudtrail",
        operation: "DeleteTrail",
        account: &customer.account,
        error: Some("access-denied"),
        ..Fault::default()
    };
    let denied = environment.emulator.fault(&denied).await?;
    resources.delete("revoked").await?;
    environment.emulator.clear(denied).await?;
    assert_eq!(customer.trails().await?.len(), 1);
    until("an event about the trail left behind", || async {
        let reasons = resources.event_reasons("revoked").await?;
        if reasons
            .iter()
            .any(|reason| reason.contains("Left") || reason.contains("Orphan"))
        {
            Ok(())
        } else {
            Err(format!("{reasons:?}").into())
        }
    })
    .await?;
    resources.done().await
}
