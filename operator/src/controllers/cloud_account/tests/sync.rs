//! Accounts whose steps all succeed, duplicates, and suspension.

use jiff::SignedDuration;
use serde_json::json;

use super::deletion::delete;
use super::{ApiServer, HOUR, NOW, World, account, runtime};
use crate::controllers::cloud_account::context::AccountContext;
use crate::controllers::cloud_account::reconcile::reconcile_once;
use crate::telemetry::Metrics;
use cloudigrade_api::{Conditions, FINALIZER};
use cloudigrade_store::enrolments;

#[tokio::test]
async fn a_new_account_is_metered_at_once_and_then_left_in_peace() {
    let world = World::new().await;
    assert_eq!(
        world.reconcile(NOW).await,
        [
            format!("finalizers [\"{FINALIZER}\"]").as_str(),
            "status",
            "event RoleAssumed",
            "event TrailLogging",
            "event RegionsDescribed",
            "event Metering",
        ]
    );
    assert_eq!(
        world.cloud.asked(),
        [
            "AssumeRole",
            "DryRun",
            "AssumeRole without",
            "AssumeRole with another",
            "DescribeTrails",
            "CreateTrail",
            "PutEventSelectors",
            "StartLogging",
            "GetTrailStatus",
            "DescribeRegions",
            "DescribeInstances",
        ]
    );
    let status = world.status();
    assert!(
        status.conditions.is_true("Ready"),
        "{:?}",
        status.conditions
    );
    assert_eq!(status.account_id.as_deref(), Some("210987654321"));
    assert_eq!(
        status.trail.unwrap().arn,
        "arn:aws:cloudtrail:us-east-1:210987654321:trail/cloudigrade-210987654321"
    );
    let instances = status.instances.unwrap();
    assert_eq!((instances.known, instances.running), (2, 1));
    assert_eq!(status.images.unwrap().pending, 1);
    assert_eq!(
        world.runs().await,
        ["i-1 0.."],
        "it ran before, but counts from now on"
    );

    assert!(
        world
            .reconcile(NOW + SignedDuration::from_secs(5))
            .await
            .is_empty(),
        "nothing is written"
    );
    assert!(
        world.cloud.asked().is_empty(),
        "and nothing asked before it is time"
    );

    assert!(
        world.reconcile(NOW + HOUR * 2).await.is_empty(),
        "a check that finds nothing new writes nothing"
    );
    assert_eq!(
        world.cloud.asked(),
        [
            "AssumeRole",
            "DryRun",
            "DescribeTrails",
            "GetEventSelectors",
            "GetTrailStatus",
            "DescribeRegions",
            "DescribeInstances",
        ]
    );
    assert_eq!(world.runs().await, ["i-1 0.."]);
    assert!(
        world
            .reconcile(NOW + HOUR * 2 + SignedDuration::from_secs(5))
            .await
            .is_empty()
    );
    assert!(
        world.cloud.asked().is_empty(),
        "the check that wrote nothing counts as one"
    );
}

#[tokio::test]
async fn what_happened_unseen_is_found_at_the_next_check() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    {
        let mut state = world.cloud.0.lock();
        state.stopped = true;
        state.trail.as_mut().unwrap().multi_region = false;
    }
    assert_eq!(
        world.reconcile(NOW + HOUR * 2).await,
        ["status", "event TrailRepaired"]
    );
    assert!(world.cloud.asked().contains(&"UpdateTrail".to_owned()));
    assert_eq!(
        world.runs().await,
        ["i-1 0..3600"],
        "the cloud knows when it was stopped"
    );
}

#[tokio::test]
async fn a_duplicate_touches_nothing_until_the_older_one_is_gone() {
    let world = World::new().await;
    world.database.enrol("210987654321", "22222222").await;
    let older = enrolments::holder(&world.database, "210987654321").await;
    let older = older.unwrap().unwrap().uid;
    world.server.add_other("210987654321", older);
    assert_eq!(
        world.reconcile(NOW).await[1..],
        ["status", "event DuplicateAccount"]
    );
    assert!(world.cloud.asked().is_empty());
    enrolments::release(&world.database, older, NOW)
        .await
        .unwrap();
    world.reconcile(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn an_older_one_that_the_api_server_does_not_know_has_nothing() {
    let world = World::new().await;
    world.database.enrol("210987654321", "22222222").await;
    world.reconcile(NOW).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn an_older_one_that_the_api_server_cannot_tell_of_keeps_the_account() {
    let world = World::new().await;
    world.database.enrol("210987654321", "22222222").await;
    world.server.fail("GET", "cloudaccounts/210987654321", 500);
    world.reconcile(NOW).await;
    let holder = enrolments::holder(&world.database, "210987654321").await;
    assert_eq!(holder.unwrap().unwrap().org_id, "22222222");
    assert_eq!(
        world.status().conditions.find("Ready").unwrap().reason,
        "KubernetesFailed"
    );
}

#[tokio::test]
async fn an_account_applied_anew_goes_on_without_a_gap() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.change(|account| {
        account["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000099");
        account["metadata"]["creationTimestamp"] = json!((NOW + HOUR).to_string());
        account["status"] = json!(null);
    });
    world.reconcile(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.runs().await, ["i-1 0.."]);

    world.change(delete);
    world.reconcile(NOW + HOUR * 2).await;
    assert!(world.cloud.0.lock().trail.is_none(), "the trail is its own");
    assert_eq!(world.runs().await, ["i-1 0..7200"]);
}

#[tokio::test]
async fn suspending_stops_metering_and_resuming_begins_anew() {
    let world = World::new().await;
    world.reconcile(NOW).await;
    world.cloud.asked();
    world.change(|account| account["spec"]["suspend"] = json!(true));
    assert_eq!(
        world.reconcile(NOW + HOUR).await,
        ["status", "event Suspended"]
    );
    assert_eq!(world.cloud.asked(), ["DescribeTrails", "DeleteTrail"]);
    assert_eq!(world.runs().await, ["i-1 0..3600"]);
    assert_eq!(world.status().trail, None);

    world.change(|account| account["spec"]["suspend"] = json!(false));
    world.reconcile(NOW + HOUR * 2).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.runs().await, ["i-1 0..3600", "i-1 7200.."]);
}

#[tokio::test]
async fn a_reconciliation_fits_the_stack_of_a_thread() {
    let account = account();
    let (_, client) = ApiServer::serve(&account);
    let database = cloudigrade_store::connect("postgres://nowhere/nothing", 1).unwrap();
    let config = aws_config::SdkConfig::builder().build();
    let aws = cloudigrade_aws::Aws::with_config(config, Metrics::default().aws);
    let context = AccountContext::new(runtime(client), database, aws, "ours".into());
    let reconciliation = reconcile_once(&account, &context, NOW);
    assert!(
        size_of_val(&reconciliation) < 16 * 1024,
        "{} bytes",
        size_of_val(&reconciliation)
    );
}
