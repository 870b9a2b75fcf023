//! Manifests that the API server refuses by the rules of the schema. The message is all that its author sees.

use kube::core::cel::{validate_cel, validate_cel_update};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CloudAccount, ImageInspection};

fn account(change: impl FnOnce(&mut Value)) -> CloudAccount {
    let mut account = json!({
        "apiVersion": "cloudigrade.io/v1alpha1",
        "kind": "CloudAccount",
        "metadata": {"name": "acme"},
        "spec": {
            "owner": {"orgId": "11111111"},
            "aws": {"roleArn": "arn:aws:iam::210987654321:role/metering", "externalId": "acme-external-id"}
        }
    });
    change(&mut account);
    serde_json::from_value(account).unwrap()
}

fn role(arn: &str) -> CloudAccount {
    account(|account| account["spec"]["aws"]["roleArn"] = json!(arn))
}

fn refusal(account: &CloudAccount) -> String {
    validate_cel(account)
        .err()
        .map(|errors| errors.to_string())
        .unwrap_or_default()
}

#[rstest]
#[case("arn:aws:iam::210987654321:role/metering")]
#[case("arn:aws:iam::012345678901:role/some/path/metering")]
#[case("arn:aws-cn:iam::210987654321:role/metering")]
#[case("arn:aws-us-gov:iam::210987654321:role/metering")]
fn roles_of_every_partition_are_taken(#[case] arn: &str) {
    assert_eq!(refusal(&role(arn)), "");
}

#[rstest]
#[case("metering")]
#[case("arn:aws:iam::210987654321:user/someone")]
#[case("arn:aws:iam::2109876:role/metering")]
#[case("arn:aws:iam::210987654321:role/")]
#[case("arn:aws:sts::210987654321:assumed-role/metering/session")]
fn what_is_no_role_is_refused_with_an_example(#[case] arn: &str) {
    let refusal = refusal(&role(arn));
    assert!(
        refusal.contains("must look like arn:aws:iam::123456789012:role/NAME (CG1004)"),
        "{refusal}"
    );
}

#[rstest]
#[case::neither(json!({"roleArn": "arn:aws:iam::210987654321:role/metering"}))]
#[case::both(json!({
    "roleArn": "arn:aws:iam::210987654321:role/metering",
    "externalId": "id",
    "externalIdSecretRef": {"name": "secret", "key": "id"}
}))]
fn exactly_one_external_id(#[case] aws: Value) {
    let refusal = refusal(&account(|account| account["spec"]["aws"] = aws));
    assert!(
        refusal.contains("set exactly one of externalId and externalIdSecretRef"),
        "{refusal}"
    );
}

#[rstest]
#[case("acme-external-id", "")]
#[case("two words", "as AWS asks")]
#[case(r#"{"password":"hunter2"}"#, "as AWS asks")]
fn an_external_id_that_aws_would_repeat_is_refused(#[case] id: &str, #[case] expected: &str) {
    let refusal = refusal(&account(|account| {
        account["spec"]["aws"]["externalId"] = json!(id);
    }));
    assert!(
        refusal.contains(expected) && refusal.is_empty() == expected.is_empty(),
        "{refusal}"
    );
}

#[test]
fn a_name_must_fit_into_a_label() {
    let refusal = refusal(&account(|account| {
        account["metadata"]["name"] = json!("a".repeat(64))
    }));
    assert!(refusal.contains("at most 63 characters"), "{refusal}");
}

#[rstest]
#[case::another_account(
    "arn:aws:iam::310987654321:role/metering",
    "11111111",
    "the account number is immutable"
)]
#[case::another_org(
    "arn:aws:iam::210987654321:role/metering",
    "22222222",
    "spec.owner.orgId is immutable"
)]
#[case::another_role("arn:aws:iam::210987654321:role/other", "11111111", "")]
fn usage_stays_with_whom_it_belongs_to(
    #[case] arn: &str,
    #[case] org: &str,
    #[case] expected: &str,
) {
    let changed = account(|account| {
        account["spec"]["aws"]["roleArn"] = json!(arn);
        account["spec"]["owner"]["orgId"] = json!(org);
    });
    let refusal = validate_cel_update(&changed, &account(|_| ()))
        .err()
        .map(|errors| errors.to_string());
    let refusal = refusal.unwrap_or_default();
    assert!(
        refusal.contains(expected) && refusal.is_empty() == expected.is_empty(),
        "{refusal}"
    );
}

fn inspection(image: &str, ttl: u32) -> ImageInspection {
    serde_json::from_value(json!({
        "apiVersion": "cloudigrade.io/v1alpha1",
        "kind": "ImageInspection",
        "metadata": {"name": "web"},
        "spec": {
            "cloudAccountRef": {"name": "acme"}, "imageId": image, "region": "us-east-1",
            "ttlSecondsAfterFinished": ttl
        }
    }))
    .unwrap()
}

#[test]
fn an_image_is_named_by_its_id_and_stays_the_same() {
    let image = inspection("ami-0123456789abcdef0", 60);
    assert!(validate_cel(&image).is_ok());
    let refusal = validate_cel(&inspection("rhel-10", 60))
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("must look like ami-0123456789abcdef0"),
        "{refusal}"
    );
    assert!(validate_cel_update(&inspection("ami-0123456789abcdef0", 90), &image).is_ok());
    let refusal = validate_cel_update(&inspection("ami-0fedcba9876543210", 60), &image)
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("immutable"), "{refusal}");
}
