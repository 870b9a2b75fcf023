//! Failures: each is in the status, under the documented reason.

use jiff::SignedDuration;
use serde_json::json;

use super::deletion::delete;
use super::{HOUR, NOW, World, account};
use cloudigrade_api::{CloudAccount, Conditions};
use cloudigrade_cloud::ErrorKind;

#[tokio::test]
async fn a_refused_role_is_reported_once_and_tried_again_later_and_later() {
    let world = World::new().await;
    world.cloud.0.lock().refuse = Some(("AssumeRole", ErrorKind::Denied));
    assert_eq!(
        world.reconcile(NOW).await[1..],
        ["status", "event RoleRefused"]
    );
    let condition = world
        .status()
        .conditions
        .find("AccessVerified")
        .cloned()
        .unwrap();
    assert!(
        condition.message.starts_with("CG3002"),
        "{}",
        condition.message
    );
    assert_eq!(
        world.cloud.asked(),
        ["AssumeRole"],
        "the steps that need access are not taken"
    );

    assert!(
        world
            .reconcile(NOW + SignedDuration::from_secs(1))
            .await
            .is_empty()
    );
    assert!(world.cloud.asked().is_empty(), "not before its time");
    assert_eq!(
        world.reconcile(NOW + SignedDuration::from_secs(10)).await,
        ["status"],
        "reported already; one failure more"
    );
    assert_eq!(world.status().failures, 2);

    world.cloud.0.lock().refuse = None;
    world.reconcile(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.status().failures, 0);
}

/// `Type=Status Reason`, one each.
fn conditions(world: &World) -> Vec<String> {
    let conditions = world.status().conditions;
    conditions
        .iter()
        .map(|c| format!("{}={} {}", c.type_, c.status, c.reason))
        .collect()
}

/// An account whose external id is in a Secret.
pub(super) fn with_secret() -> CloudAccount {
    let mut account = account();
    account.spec.aws.external_id = None;
    account.spec.aws.external_id_secret_ref = Some(cloudigrade_api::SecretKeyRef {
        name: "external-id".into(),
        key: "id".into(),
    });
    account
}

/// An account that was stored before the rule for ARNs, or by a server that does not know it.
fn with_bad_arn() -> CloudAccount {
    let mut account = account();
    account.spec.aws.role_arn = "arn:aws:iam::1:user/metering".into();
    account
}

/// A server that is not there.
fn unreachable() -> cloudigrade_store::Pool {
    cloudigrade_store::connect("postgres:///cloudigrade?host=/nowhere", 1).unwrap()
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_in_the_status() {
    let world = World::with(with_secret()).await;
    world.server.fail("GET", "/secrets/external-id", 500);
    assert_eq!(
        world.reconcile(NOW).await[1..],
        ["status", "event ExternalIdSecretUnreadable"]
    );
    assert_eq!(
        conditions(&world),
        [
            "AccessVerified=Unknown ExternalIdSecretUnreadable",
            "TrailConfigured=Unknown NotChecked",
            "Discovered=Unknown NotChecked",
            "EventsFlowing=Unknown NotChecked",
            "Ready=False ExternalIdSecretUnreadable",
        ]
    );
    world.server.recover();
    world.reconcile(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn an_arn_that_cannot_be_read_is_in_the_status_until_it_is_corrected() {
    let world = World::with(with_bad_arn()).await;
    assert_eq!(
        world.reconcile(NOW).await[1..],
        ["status", "event InvalidRoleArn"]
    );
    assert_eq!(conditions(&world)[0], "AccessVerified=False InvalidRoleArn");
    let ready = world.status().conditions.find("Ready").cloned().unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "InvalidRoleArn")
    );
    assert!(ready.message.starts_with("CG1004"), "{}", ready.message);
    let next = world.status().next_check_time.unwrap().0;
    assert!(next >= NOW + HOUR, "nothing is tried until then: {next}");
    assert_eq!(world.cloud.asked(), [""; 0]);

    world.change(|object| object["spec"] = json!(account().spec));
    world.reconcile(NOW + SignedDuration::from_secs(5)).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn an_arn_that_cannot_be_read_does_not_hold_a_deleted_account() {
    let world = World::with(with_bad_arn()).await;
    world.reconcile(NOW).await;
    world.change(delete);
    assert_eq!(world.reconcile(NOW + HOUR).await, ["finalizers []"]);
}

#[tokio::test]
async fn an_arn_that_was_spoilt_does_not_keep_the_trail() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(|object| object["spec"] = json!(with_bad_arn().spec));
    world.change(delete);
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
    assert!(world.cloud.0.lock().trail.is_none());
    assert_eq!(world.runs().await, ["i-1 0..3600"]);
}

#[tokio::test]
async fn a_database_that_is_gone_is_in_the_status_of_a_new_account() {
    let mut world = World::new().await;
    let database = std::mem::replace(&mut world.context.database, unreachable());
    assert_eq!(
        world.reconcile(NOW).await[1..],
        ["status", "event DatabaseFailed"]
    );
    assert_eq!(conditions(&world), ["Ready=False DatabaseFailed"]);
    assert_eq!(world.status().observed_generation, Some(1));
    assert_eq!(world.status().failures, 1);
    world.context.database = database;
    world.reconcile(NOW + SignedDuration::from_secs(10)).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.status().failures, 0);
}

#[tokio::test]
async fn a_metered_account_stays_ready_through_a_short_outage_of_the_database() {
    let mut world = World::new().await;
    world.reconcile(NOW).await;
    let database = std::mem::replace(&mut world.context.database, unreachable());
    let ready = |world: &World| world.status().conditions.find("Ready").cloned().unwrap();
    for failures in 1..=8 {
        assert_eq!(world.reconcile(NOW + HOUR * failures).await, ["status"]);
        assert_eq!(world.status().failures, u32::try_from(failures).unwrap());
        assert_eq!(ready(&world).status, "True");
        assert!(ready(&world).message.starts_with("held when last checked"));
    }
    assert_eq!(
        world.reconcile(NOW + HOUR * 9).await,
        ["status", "event DatabaseFailed"]
    );
    assert_eq!(ready(&world).status, "False");
    world.context.database = database;
    world.reconcile(NOW + HOUR * 10).await;
    assert_eq!(
        (ready(&world).status.as_str(), ready(&world).reason.as_str()),
        ("True", "Metering")
    );
}

#[tokio::test]
async fn a_database_that_is_gone_delays_deletion_and_says_so() {
    let mut world = World::new().await;
    world.reconcile(NOW).await;
    world.change(delete);
    let database = std::mem::replace(&mut world.context.database, unreachable());
    assert_eq!(world.reconcile(NOW + HOUR).await, ["status"]);
    let ready = world.status().conditions.find("Ready").cloned().unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "DatabaseFailed")
    );
    world.context.database = database;
    assert_eq!(
        world.reconcile(NOW + HOUR * 2).await,
        ["event TrailDeleted", "finalizers []"]
    );
}

#[tokio::test]
async fn a_refused_finalizer_is_in_the_status() {
    let world = World::new().await;
    world.server.fail("PATCH", "/cloudaccounts/acme", 403);
    assert_eq!(
        world.reconcile(NOW).await,
        ["status", "event KubernetesFailed"]
    );
    assert_eq!(conditions(&world), ["Ready=False KubernetesFailed"]);
    assert_eq!(
        world.cloud.asked(),
        [""; 0],
        "nothing is made that could not be cleaned up"
    );
    world.server.recover();
    world.reconcile(NOW + SignedDuration::from_secs(10)).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn an_object_that_was_changed_meanwhile_is_read_again_before_anything_is_said() {
    let world = World::new().await;
    world.server.fail("PATCH", "/cloudaccounts/acme", 409);
    let error = world.try_reconcile(NOW).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert_eq!(world.server.calls(), [""; 0]);
}

#[tokio::test]
async fn a_finalizer_that_cannot_be_removed_is_in_the_status_and_the_trail_deleted_once() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(delete);
    world.server.fail("PATCH", "/cloudaccounts/acme", 403);
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailDeleted", "status"]
    );
    let ready = world.status().conditions.find("Ready").cloned().unwrap();
    assert_eq!(
        (ready.status.as_str(), ready.reason.as_str()),
        ("False", "KubernetesFailed")
    );
    world.server.recover();
    assert_eq!(world.reconcile(NOW + HOUR * 2).await, ["finalizers []"]);
}
