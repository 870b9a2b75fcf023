//! Credentials: only external ids are read and sent, roles of the own account and roles that let in anybody are refused.

use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

use super::api_server::secret;
use super::deletion::delete;
use super::failures::with_secret;
use super::{HOUR, NOW, World, account};
use cloudigrade_api::Conditions;

/// Reconciles once, and returns reason and message of `AccessVerified`, which is false.
async fn refusal(world: &World) -> (String, String) {
    let calls = world.reconcile(NOW).await;
    assert!(calls.contains(&"status".to_owned()), "{calls:?}");
    let condition = world.status().conditions.find("AccessVerified").cloned();
    let condition = condition.unwrap();
    assert_eq!(condition.status, "False");
    (condition.reason, condition.message)
}

#[rstest]
#[case::password("Opaque", "correct-horse")]
#[case::certificate("kubernetes.io/tls", "-----BEGIN PRIVATE KEY-----")]
#[tokio::test]
async fn a_secret_that_is_not_marked_as_an_external_id_is_not_read(
    #[case] type_: &str,
    #[case] value: &str,
) {
    let world = World::with(with_secret()).await;
    world.change(|account| account["secret"] = secret(type_, value));
    let (reason, message) = refusal(&world).await;
    assert_eq!(reason, "ExternalIdSecretUnmarked");
    assert!(
        message.contains("cloudigrade.io/external-id=true"),
        "{message}"
    );
    assert_eq!(world.cloud.asked(), [""; 0], "nothing is sent anywhere");
    assert!(!json!(world.status()).to_string().contains(value));
}

#[rstest]
#[case::type_(secret("cloudigrade.io/external-id", "acme-external-id\n"))]
#[case::label({
    let mut secret = secret("Opaque", "acme-external-id");
    secret["metadata"]["labels"] = json!({"cloudigrade.io/external-id": "true"});
    secret
})]
#[tokio::test]
async fn a_secret_that_is_marked_is_read(#[case] secret: Value) {
    let world = World::with(with_secret()).await;
    world.change(|account| account["secret"] = secret);
    world.reconcile(NOW).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn a_value_that_aws_would_repeat_in_its_answer_is_never_sent() {
    let world = World::with(with_secret()).await;
    let value = r#"{"password":"hunter2"}"#;
    world.change(|account| account["secret"] = secret("cloudigrade.io/external-id", value));
    let (reason, message) = refusal(&world).await;
    assert_eq!(reason, "InvalidExternalId");
    assert!(
        message.contains("key \"id\" of Secret external-id"),
        "{message}"
    );
    assert_eq!(world.cloud.asked(), [""; 0]);
    assert!(!json!(world.status()).to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_secret_that_lost_its_mark_does_not_keep_the_trail() {
    let world = World::with(with_secret()).await;
    world.reconcile(NOW).await;
    world.change(|account| account["secret"] = secret("Opaque", "acme-external-id"));
    world.change(delete);
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
}

#[tokio::test]
async fn a_role_of_the_own_account_is_refused_before_it_is_assumed() {
    let mut own = account();
    own.spec.aws.role_arn = "arn:aws:iam::123456789012:role/administrator".into();
    let world = World::with(own).await;
    let (reason, message) = refusal(&world).await;
    assert_eq!(reason, "OwnAccount");
    assert!(message.contains("own account 123456789012"), "{message}");
    assert_eq!(world.cloud.asked(), [""; 0]);
}

#[rstest]
#[case::without(true, false, "without an external id")]
#[case::with_any(false, true, "with another external id")]
#[tokio::test]
async fn a_role_that_lets_in_anybody_is_not_used(
    #[case] takes_none: bool,
    #[case] takes_any: bool,
    #[case] how: &str,
) {
    let world = World::new().await;
    {
        let mut state = world.cloud.0.lock();
        (state.takes_none, state.takes_any) = (takes_none, takes_any);
    }
    let (reason, message) = refusal(&world).await;
    assert_eq!(reason, "ExternalIdNotRequired");
    assert!(message.contains(how), "{message}");
    assert!(!world.cloud.asked().contains(&"CreateTrail".to_owned()));

    {
        let mut state = world.cloud.0.lock();
        (state.takes_none, state.takes_any) = (false, false);
    }
    world.reconcile(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn a_role_is_tried_without_its_external_id_once_a_day_and_when_it_changes() {
    let world = World::new().await;
    let tried = |world: &World| {
        let asked = world.cloud.asked();
        asked.iter().any(|call| call == "AssumeRole")
            == asked.contains(&"AssumeRole without".into())
    };
    world.reconcile(NOW).await;
    assert!(tried(&world));
    world.reconcile(NOW + HOUR * 2).await;
    assert!(!tried(&world), "remembered");
    world.change(|account| {
        account["spec"]["aws"]["roleArn"] = json!("arn:aws:iam::210987654321:role/another");
    });
    world.reconcile(NOW + HOUR * 4).await;
    assert!(tried(&world), "another role");
    world
        .reconcile(NOW + HOUR * 28 + SignedDuration::from_secs(1))
        .await;
    assert!(tried(&world), "a day later");
}
