//! Deletion, with a trail, without one, and with customers who are gone.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{HOUR, NOW, World, account};
use cloudigrade_api::Conditions;
use cloudigrade_cloud::ErrorKind;
use cloudigrade_store::enrolments;

pub(super) fn delete(account: &mut Value) {
    account["metadata"]["deletionTimestamp"] = json!((NOW + HOUR).to_string());
}

#[tokio::test]
async fn deletion_takes_the_trail_away_and_keeps_what_was_recorded() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(delete);
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
    assert!(world.cloud.0.lock().trail.is_none());
    assert_eq!(world.runs().await, ["i-1 0..3600"]);
    assert!(
        world.reconcile(NOW + HOUR).await.is_empty(),
        "let go means let go"
    );
}

#[tokio::test]
async fn a_secret_that_is_deleted_first_does_not_keep_the_trail() {
    let mut account = account();
    account.spec.aws.external_id = None;
    account.spec.aws.external_id_secret_ref = Some(cloudigrade_api::SecretKeyRef {
        name: "external-id".into(),
        key: "id".into(),
    });
    let world = World::with(account).await;
    world.reconcile(NOW).await;
    assert!(world.status().conditions.is_true("Ready"));
    world.change(delete);
    world.change(|account| account["secret"] = json!(false));
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
    assert!(world.cloud.0.lock().trail.is_none());
}

#[tokio::test]
async fn retain_leaves_the_trail() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(|account| account["spec"]["deletionPolicy"] = json!("Retain"));
    world.change(delete);
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["event TrailRetained", "finalizers []"]
    );
    assert!(world.cloud.0.lock().trail.is_some());
}

#[tokio::test]
async fn a_customer_who_has_gone_does_not_block_deletion() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(delete);
    world.cloud.0.lock().refuse = Some(("DeleteTrail", ErrorKind::Denied));
    let mut calls = Vec::new();
    for minutes in 0..4 {
        calls.extend(
            world
                .reconcile(NOW + HOUR + SignedDuration::from_mins(minutes))
                .await,
        );
    }
    assert_eq!(
        calls,
        [
            "status",
            "event DeletingTrailFailed",
            "status",
            "status",
            "status",
            "event TrailLeftBehind",
            "finalizers []"
        ]
    );
    let condition = world
        .status()
        .conditions
        .find("TrailConfigured")
        .cloned()
        .unwrap();
    assert!(
        condition
            .message
            .contains("trail/cloudigrade-210987654321 is left behind"),
        "{}",
        condition.message
    );
    assert_eq!(world.runs().await, ["i-1 0..3780"]);
}

#[tokio::test]
async fn a_duplicate_that_is_deleted_leaves_the_others_trail_alone() {
    let world = World::new().await;
    world.database.enrol("210987654321", "22222222").await;
    let older = enrolments::holder(&world.database, "210987654321").await;
    let older = older.unwrap().unwrap();
    world.server.add_other(&older.name, older.uid);
    world.reconcile(NOW).await;
    world.change(delete);
    assert_eq!(world.reconcile(NOW + HOUR).await, ["finalizers []"]);
    assert!(world.cloud.asked().is_empty());
}
