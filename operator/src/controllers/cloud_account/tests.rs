//! Whole passes against a scripted API server and a cloud that answers from its fields: exactly these calls, and none at
//! all when nothing is new.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::reconcile::pass;
use super::*;
use crate::api::{CloudAccountStatus, Conditions, FINALIZER};
use crate::cloud::aws::Role;
use crate::cloud::{
    Access, CloudError, Image, Instance, Inventory, Kind, Power, Trail, TrailSpec, TrailStatus,
    Trails,
};
use crate::observe::Metrics;
use crate::store::testing::TestDatabase;

const PATH: &str = "/apis/cloudigrade.io/v1alpha1/namespaces/customers/cloudaccounts/acme";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/customers/events";
const SECRET: &str = "/api/v1/namespaces/customers/secrets/external-id";
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

/// An AWS account with one running and one stopped instance of the same image.
#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    refuse: Option<(&'static str, Kind)>,
    trail: Option<Trail>,
    stopped: bool,
}

#[derive(Clone, Debug, Default)]
struct TestCloud(Arc<Mutex<State>>);

impl TestCloud {
    /// Notes that `operation` was asked for, and refuses it if that is to be.
    fn ask(&self, operation: &'static str) -> Result<std::sync::MutexGuard<'_, State>, CloudError> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(operation.into());
        match state.refuse {
            Some((refused, kind)) if refused == operation => Err(CloudError {
                kind,
                service: "aws",
                operation,
                code: "Code".into(),
                message: "no".into(),
            }),
            _ => Ok(state),
        }
    }

    /// What was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

impl Access for TestCloud {
    async fn identity(&self, role: &Role) -> Result<String, CloudError> {
        self.ask("AssumeRole")
            .map(|_| role.arn.account_id().to_owned())
    }

    async fn denied(&self, _: &Role) -> Result<Vec<&'static str>, CloudError> {
        self.ask("DryRun").map(|_| Vec::new())
    }
}

impl Trails for TestCloud {
    async fn trail(&self, _: &Role, _: &str) -> Result<Option<Trail>, CloudError> {
        self.ask("DescribeTrails").map(|state| state.trail.clone())
    }

    async fn records_writes_only(&self, _: &Role, _: &str) -> Result<bool, CloudError> {
        self.ask("GetEventSelectors").map(|_| true)
    }

    async fn trail_status(&self, _: &Role, _: &str) -> Result<TrailStatus, CloudError> {
        self.ask("GetTrailStatus").map(|_| TrailStatus {
            logging: true,
            ..TrailStatus::default()
        })
    }

    async fn create_trail(&self, _: &Role, trail: &TrailSpec) -> Result<String, CloudError> {
        let arn = format!(
            "arn:aws:cloudtrail:us-east-1:210987654321:trail/{}",
            trail.name
        );
        let mut state = self.ask("CreateTrail")?;
        state.trail = Some(Trail {
            arn: arn.clone(),
            home_region: "us-east-1".into(),
            bucket: trail.bucket.clone(),
            multi_region: true,
            global_events: true,
            prefixed: false,
        });
        Ok(arn)
    }

    async fn update_trail(&self, _: &Role, trail: &TrailSpec) -> Result<(), CloudError> {
        let mut state = self.ask("UpdateTrail")?;
        if let Some(changed) = &mut state.trail {
            changed.bucket = trail.bucket.clone();
            changed.multi_region = true;
        }
        Ok(())
    }

    async fn record_writes_only(&self, _: &Role, _: &str) -> Result<(), CloudError> {
        self.ask("PutEventSelectors").map(drop)
    }

    async fn start_logging(&self, _: &Role, _: &str) -> Result<(), CloudError> {
        self.ask("StartLogging").map(drop)
    }

    async fn delete_trail(&self, _: &Role, _: &str) -> Result<(), CloudError> {
        self.ask("DeleteTrail").map(|mut state| state.trail = None)
    }
}

impl Inventory for TestCloud {
    async fn regions(&self, _: &Role) -> Result<Vec<String>, CloudError> {
        self.ask("DescribeRegions")
            .map(|_| vec!["us-east-1".into()])
    }

    async fn instances(
        &self,
        _: &Role,
        _: &str,
        _: &[String],
    ) -> Result<Vec<Instance>, CloudError> {
        let state = self.ask("DescribeInstances")?;
        let since = NOW - HOUR * 5;
        let running = if state.stopped {
            Power::Off {
                since: Some(NOW + HOUR),
            }
        } else {
            Power::On { since }
        };
        let instance = |id: &str, power| Instance {
            id: id.into(),
            image_id: Some("ami-1".into()),
            instance_type: Some("t3.micro".into()),
            power,
            gone: false,
        };
        Ok(vec![
            instance("i-1", running),
            instance("i-2", Power::Off { since: None }),
        ])
    }

    async fn images(&self, _: &Role, _: &str, _: &[String]) -> Result<Vec<Image>, CloudError> {
        unreachable!("images are looked up elsewhere")
    }
}

/// An API server that holds one account and notes what it is asked.
#[derive(Clone)]
struct ApiServer {
    account: Arc<Mutex<Value>>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    fn serve(account: &CloudAccount) -> (Self, Client) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let account = Arc::new(Mutex::new(serde_json::to_value(account).unwrap()));
        let server = Self {
            account,
            calls: Arc::default(),
        };
        let answering = server.clone();
        tokio::spawn(async move {
            while let Some((request, reply)) = handle.next_request().await {
                let call = format!("{} {}", request.method(), request.uri().path());
                let bytes = request.into_body().collect_bytes().await.unwrap();
                let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let answer = answering.answer(&call, &body);
                let status = if answer["code"] == 404 { 404 } else { 200 };
                let answer = Response::builder()
                    .status(status)
                    .body(Body::from(answer.to_string().into_bytes()));
                reply.send_response(answer.unwrap());
            }
        });
        (server, Client::new(service, "default"))
    }

    fn answer(&self, call: &str, body: &Value) -> Value {
        let mut account = self.account.lock().unwrap();
        let told = match call.split_once(' ').unwrap() {
            ("PATCH", PATH) => {
                account["metadata"]["finalizers"] = body["metadata"]["finalizers"].clone();
                format!("finalizers {}", body["metadata"]["finalizers"])
            }
            ("PATCH", path) if path == format!("{PATH}/status") => {
                account["status"] = body["status"].clone();
                "status".into()
            }
            ("POST", EVENTS) => {
                self.calls
                    .lock()
                    .unwrap()
                    .push(format!("event {}", body["reason"].as_str().unwrap()));
                return body.clone();
            }
            ("GET", SECRET) => {
                let value = k8s_openapi::ByteString(b"acme-external-id".to_vec());
                return match account["secret"].as_bool() {
                    Some(false) => not_found(),
                    _ => json!({"metadata": {"name": "external-id"}, "data": {"id": value}}),
                };
            }
            // The same event again is written into the first.
            ("PATCH", path) if path.starts_with(EVENTS) => {
                self.calls.lock().unwrap().push("event again".into());
                return body.clone();
            }
            (_, path) => panic!("nobody should call {path}"),
        };
        self.calls.lock().unwrap().push(told);
        account.clone()
    }
}

fn not_found() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": ""})
}

/// One account and all that passes over it touch.
struct World {
    server: ApiServer,
    cloud: TestCloud,
    context: Context<TestCloud>,
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
        let context = Context::new(
            client,
            (*database).clone(),
            cloud.clone(),
            "ours".into(),
            Metrics::default(),
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
        pass(&account, &self.context, now).await.unwrap();
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
    world.cloud.0.lock().unwrap().refuse = Some(("AssumeRole", Kind::Denied));
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
    account.spec.aws.external_id_secret_ref = Some(crate::api::SecretKeyRef {
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
    world.cloud.0.lock().unwrap().refuse = Some(("DeleteTrail", Kind::Denied));
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
    let database = crate::store::connect("postgres://nowhere/nothing", 1).unwrap();
    let config = aws_config::SdkConfig::builder().build();
    let aws = crate::cloud::aws::Aws::with_config(config, Metrics::default());
    let context = Context::new(client, database, aws, "ours".into(), Metrics::default());
    let pass = pass(&account, &context, NOW);
    assert!(
        size_of_val(&pass) < 16 * 1024,
        "{} bytes",
        size_of_val(&pass)
    );
}
