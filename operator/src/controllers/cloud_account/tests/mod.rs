//! Whole passes against a scripted API server and a cloud that answers from its fields: exactly these calls, and none at
//! all when nothing is new.

mod api_server;
mod cloud;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::reconcile::reconcile_once;
use super::*;
use crate::controllers::client::Clients;
use crate::controllers::runtime::Runtime;
use crate::telemetry::Metrics;
use api_server::ApiServer;
use cloud::TestCloud;
use cloudigrade_api::{CloudAccountStatus, Conditions, FINALIZER};
use cloudigrade_cloud::ErrorKind;
use cloudigrade_store::testing::TestDatabase;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A CloudAccount as a customer applies it.
pub(super) fn account() -> CloudAccount {
    serde_json::from_value(json!({
        "apiVersion": "cloudigrade.io/v1alpha1",
        "kind": "CloudAccount",
        "metadata": {
            "name": "acme", "namespace": "customers", "uid": "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c",
            "generation": 1, "resourceVersion": "7", "creationTimestamp": "2026-11-22T12:00:00Z"
        },
        "spec": {
            "owner": {"orgId": "11111111"},
            "aws": {"roleArn": "arn:aws:iam::210987654321:role/metering", "externalId": "acme-external-id"}
        }
    }))
    .unwrap()
}

fn runtime(client: kube::Client) -> Runtime {
    let clients = Clients {
        calls: client.clone(),
        watches: client,
    };
    Runtime::new(clients, None, Metrics::default(), CancellationToken::new())
}

/// One account and all that passes over it touch.
struct World {
    server: ApiServer,
    cloud: TestCloud,
    context: AccountContext<TestCloud>,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        Self::with(account()).await
    }

    async fn with(account: CloudAccount) -> Self {
        let database = TestDatabase::new().await;
        let (server, client) = ApiServer::serve(&account);
        let cloud = TestCloud::default();
        let context = AccountContext::new(
            runtime(client),
            (*database).clone(),
            cloud.clone(),
            "ours".into(),
        );
        Self {
            server,
            cloud,
            context,
            database,
        }
    }

    /// One pass over what the API server holds; the calls it was made to answer.
    async fn pass(&self, now: Timestamp) -> Vec<String> {
        let account = self.account();
        reconcile_once(&account, &self.context, now).await.unwrap();
        std::mem::take(&mut *self.server.calls.lock().unwrap())
    }

    fn account(&self) -> CloudAccount {
        serde_json::from_value(self.server.account.lock().unwrap().clone()).unwrap()
    }

    fn status(&self) -> CloudAccountStatus {
        self.account().status.unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut account = self.server.account.lock().unwrap();
        account["metadata"]["generation"] =
            json!(account["metadata"]["generation"].as_i64().unwrap() + 1);
        change(&mut account);
    }

    /// Runs as `instance start..end`, in seconds from [`NOW`].
    async fn runs(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select format('%s %s..%s', instance_id, extract(epoch from started_at)::bigint - 1800000000,
                           extract(epoch from ended_at)::bigint - 1800000000)
               from run join instance on instance.id = run.instance order by instance_id, started_at",
        )
        .fetch_all(&*self.database)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_new_account_is_metered_in_one_pass_and_then_left_in_peace() {
    let world = World::new().await;
    assert_eq!(
        world.pass(NOW).await,
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
            .pass(NOW + SignedDuration::from_secs(5))
            .await
            .is_empty(),
        "nothing is written"
    );
    assert!(
        world.cloud.asked().is_empty(),
        "and nothing asked before it is time"
    );

    assert!(
        world.pass(NOW + HOUR * 2).await.is_empty(),
        "a look that finds nothing new writes nothing"
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
            .pass(NOW + HOUR * 2 + SignedDuration::from_secs(5))
            .await
            .is_empty()
    );
    assert!(
        world.cloud.asked().is_empty(),
        "the look that wrote nothing counts as one"
    );
}

#[tokio::test]
async fn what_happened_unseen_is_found_at_the_next_look() {
    let world = World::new().await;
    world.pass(NOW).await;
    {
        let mut state = world.cloud.0.lock().unwrap();
        state.stopped = true;
        state.trail.as_mut().unwrap().multi_region = false;
    }
    assert_eq!(
        world.pass(NOW + HOUR * 2).await,
        ["status", "event TrailRepaired"]
    );
    assert!(world.cloud.asked().contains(&"UpdateTrail".to_owned()));
    assert_eq!(
        world.runs().await,
        ["i-1 0..3600"],
        "the cloud tells when it was stopped"
    );
}

#[tokio::test]
async fn a_refused_role_is_told_once_and_tried_again_later_and_later() {
    let world = World::new().await;
    world.cloud.0.lock().unwrap().refuse = Some(("AssumeRole", ErrorKind::Denied));
    assert_eq!(world.pass(NOW).await[1..], ["status", "event RoleRefused"]);
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
            .pass(NOW + SignedDuration::from_secs(1))
            .await
            .is_empty()
    );
    assert!(world.cloud.asked().is_empty(), "not before its time");
    assert_eq!(
        world.pass(NOW + SignedDuration::from_secs(10)).await,
        ["status"],
        "told already; one failure more"
    );
    assert_eq!(world.status().failures, 2);

    world.cloud.0.lock().unwrap().refuse = None;
    world.pass(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.status().failures, 0);
}

#[tokio::test]
async fn a_duplicate_touches_nothing_until_the_older_one_is_gone() {
    let world = World::new().await;
    let older = world.database.enrol("210987654321", "22222222").await;
    assert_eq!(
        world.pass(NOW).await[1..],
        ["status", "event DuplicateAccount"]
    );
    assert!(world.cloud.asked().is_empty());
    sqlx::query("update enrolment set released_at = now() where id = $1")
        .bind(older)
        .execute(&*world.database)
        .await
        .unwrap();
    world.pass(NOW + HOUR).await;
    assert!(world.status().conditions.is_true("Ready"));
}

#[tokio::test]
async fn suspending_stops_metering_and_resuming_begins_anew() {
    let world = World::new().await;
    world.pass(NOW).await;
    world.cloud.asked();
    world.change(|account| account["spec"]["suspend"] = json!(true));
    assert_eq!(world.pass(NOW + HOUR).await, ["status", "event Suspended"]);
    assert_eq!(world.cloud.asked(), ["DescribeTrails", "DeleteTrail"]);
    assert_eq!(world.runs().await, ["i-1 0..3600"]);
    assert_eq!(world.status().trail, None);

    world.change(|account| account["spec"]["suspend"] = json!(false));
    world.pass(NOW + HOUR * 2).await;
    assert!(world.status().conditions.is_true("Ready"));
    assert_eq!(world.runs().await, ["i-1 0..3600", "i-1 7200.."]);
}

fn delete(account: &mut Value) {
    account["metadata"]["deletionTimestamp"] = json!((NOW + HOUR).to_string());
}

#[tokio::test]
async fn deletion_takes_the_trail_away_and_keeps_what_was_recorded() {
    let world = World::new().await;
    world.pass(NOW).await;
    world.change(delete);
    assert_eq!(
        world.pass(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
    assert!(world.cloud.0.lock().unwrap().trail.is_none());
    assert_eq!(world.runs().await, ["i-1 0..3600"]);
    assert!(
        world.pass(NOW + HOUR).await.is_empty(),
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
    world.pass(NOW).await;
    assert!(world.status().conditions.is_true("Ready"));
    world.change(delete);
    world.change(|account| account["secret"] = json!(false));
    assert_eq!(
        world.pass(NOW + HOUR).await,
        ["event TrailDeleted", "finalizers []"]
    );
    assert!(world.cloud.0.lock().unwrap().trail.is_none());
}

#[tokio::test]
async fn retain_leaves_the_trail() {
    let world = World::new().await;
    world.pass(NOW).await;
    world.change(|account| account["spec"]["deletionPolicy"] = json!("Retain"));
    world.change(delete);
    assert_eq!(
        world.pass(NOW + HOUR).await,
        ["event TrailRetained", "finalizers []"]
    );
    assert!(world.cloud.0.lock().unwrap().trail.is_some());
}

#[tokio::test]
async fn a_customer_who_has_gone_does_not_block_deletion() {
    let world = World::new().await;
    world.pass(NOW).await;
    world.change(delete);
    world.cloud.0.lock().unwrap().refuse = Some(("DeleteTrail", ErrorKind::Denied));
    let mut calls = Vec::new();
    for minutes in 0..4 {
        calls.extend(
            world
                .pass(NOW + HOUR + SignedDuration::from_mins(minutes))
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
    world.pass(NOW).await;
    world.change(delete);
    assert_eq!(world.pass(NOW + HOUR).await, ["finalizers []"]);
    assert!(world.cloud.asked().is_empty());
}

#[tokio::test]
async fn a_pass_fits_the_stack_of_a_thread() {
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
