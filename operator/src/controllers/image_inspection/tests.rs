//! One pass against a scripted API server: exactly these calls, in this order, and none on the next pass.

use std::sync::Mutex;
use std::time::Duration;

use http::{Request, Response};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::cloud::aws::Role;
use crate::cloud::{CloudError, Credentials, Delivery, ImageState, Kind, RootDisk};
use crate::secret::Secret;
use crate::store::testing::TestDatabase;

const IMAGE: &str = "ami-0123456789abcdef0";
const JOB: &str = "houndigrade-ami-0123456789abcdef0-5f0c1a2b-1";
const UID: &str = "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c";
const INSPECTION: &str = "/apis/cloudigrade.io/v1alpha1/namespaces/customers/imageinspections/web";
const JOBS: &str = "/apis/batch/v1/namespaces/customers/jobs";
const SECRETS: &str = "/api/v1/namespaces/customers/secrets";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/customers/events";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A cloud that answers from its fields and notes what was asked.
struct TestCloud {
    image: Result<Option<ImageState>, CloudError>,
    result: Option<Value>,
    asked: Mutex<Vec<String>>,
}

impl Default for TestCloud {
    fn default() -> Self {
        let disk = RootDisk {
            snapshot_id: "snap-1".into(),
            encrypted: false,
        };
        Self {
            image: Ok(Some(ImageState::Available(Some(disk)))),
            result: None,
            asked: Mutex::default(),
        }
    }
}

impl TestCloud {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl InspectionCloud for TestCloud {
    async fn image(
        &self,
        role: &Role,
        region: &str,
        image: &str,
    ) -> Result<Option<ImageState>, CloudError> {
        self.note(format!(
            "describe {image} in {region} of {}",
            role.arn.account_id()
        ));
        self.image.clone()
    }

    async fn snapshot_reader(
        &self,
        _: &Role,
        region: &str,
        snapshot: &str,
        valid: Duration,
    ) -> Result<Credentials, CloudError> {
        self.note(format!(
            "credentials for {snapshot} in {region}, {} s",
            valid.as_secs()
        ));
        Ok(Credentials {
            access_key_id: Secret::new("the-key-id"),
            secret_access_key: Secret::new("the-secret-key"),
            session_token: Secret::new("the-token"),
        })
    }

    async fn upload_url(&self, key: &str, valid: Duration) -> Result<Secret, CloudError> {
        self.note(format!("url for {key}, {} s", valid.as_secs()));
        Ok(Secret::new("https://the-url"))
    }

    async fn result(&self, key: &str, _: usize) -> Result<Option<Delivery>, CloudError> {
        self.note(format!("read {key}"));
        Ok(self
            .result
            .as_ref()
            .map(|result| Delivery::Complete(result.to_string().into_bytes())))
    }

    async fn delete_result(&self, key: &str) -> Result<(), CloudError> {
        self.note(format!("delete {key}"));
        Ok(())
    }
}

/// An inspection with this status, and everything one pass over it touches.
struct World {
    inspection: ImageInspection,
    account_ready: bool,
    cloud: TestCloud,
    database: TestDatabase,
}

impl World {
    async fn new(status: Value, finalizers: &[&str]) -> Self {
        let inspection = serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1",
            "kind": "ImageInspection",
            "metadata": {"name": "web", "namespace": "customers", "uid": UID, "generation": 1, "resourceVersion": "7", "finalizers": finalizers},
            "spec": {"cloudAccountRef": {"name": "acme"}, "imageId": IMAGE, "region": "us-east-1"},
            "status": status,
        }));
        Self {
            inspection: inspection.unwrap(),
            account_ready: true,
            cloud: TestCloud::default(),
            database: TestDatabase::new().await,
        }
    }

    /// One pass: expects these calls (method and path) and answers them. Comes back with their bodies.
    /// What it wrote into the status is what the next pass sees.
    async fn pass(&mut self, script: &[(&str, u16, Value)]) -> Vec<Value> {
        let (service, mut server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let context = self.context(Client::new(service, "default"));
        let inspection = serde_json::to_value(&self.inspection).unwrap();
        let serve = async {
            let mut calls = Vec::new();
            let mut bodies: Vec<Value> = Vec::new();
            while let Some((request, reply)) = server.next_request().await {
                let call = format!("{} {}", request.method(), request.uri().path());
                let body = request.into_body().collect_bytes().await.unwrap();
                let (_, code, answer) =
                    script
                        .get(calls.len())
                        .cloned()
                        .unwrap_or(("", 500, json!({})));
                calls.push(call.clone());
                bodies.push(serde_json::from_slice(&body).unwrap_or_default());
                // A write is answered with what was written, as far as anybody looks.
                let answer = match answer {
                    Value::Null if call.contains("imageinspections") => inspection.clone(),
                    Value::Null => bodies.last().cloned().unwrap_or_default(),
                    answer => answer,
                };
                reply.send_response(
                    Response::builder()
                        .status(code)
                        .body(Body::from(answer.to_string().into_bytes()))
                        .unwrap(),
                );
            }
            (calls, bodies)
        };
        let pass = async {
            let result = reconcile::pass(&self.inspection, &context, now()).await;
            let cloud = std::mem::take(&mut *context.cloud.asked.lock().unwrap());
            drop(context);
            (result, cloud)
        };
        let ((result, asked), (calls, bodies)) = futures::join!(pass, serve);
        let expected: Vec<&str> = script.iter().map(|(call, ..)| *call).collect();
        assert_eq!(calls, expected, "{result:?}");
        result.unwrap();
        *self.cloud.asked.lock().unwrap() = asked;
        for (call, body) in calls.iter().zip(&bodies) {
            if *call == format!("PATCH {INSPECTION}/status") {
                self.inspection.status = serde_json::from_value(body["status"].clone()).unwrap();
            }
            if *call == format!("PATCH {INSPECTION}") {
                self.inspection.metadata.finalizers =
                    serde_json::from_value(body["metadata"]["finalizers"].clone()).unwrap();
            }
        }
        bodies
    }

    fn context(&self, client: Client) -> Context<TestCloud> {
        let (accounts, mut writer) = reflector::store();
        let ready = if self.account_ready { "True" } else { "False" };
        let account = serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount", "metadata": {"name": "acme", "namespace": "customers"},
            "spec": {"owner": {"orgId": "1"}, "aws": {"roleArn": "arn:aws:iam::210987654321:role/m", "externalId": "xx"}},
            "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": "", "lastTransitionTime": now()}]},
        }));
        writer.apply_watcher_event(&watcher::Event::Apply(account.unwrap()));
        let metrics = Metrics::default();
        Context {
            client: client.clone(),
            database: (*self.database).clone(),
            cloud: TestCloud {
                image: self.cloud.image.clone(),
                result: self.cloud.result.clone(),
                asked: Mutex::default(),
            },
            runner: Runner {
                image: "houndigrade:test".into(),
                aws_endpoint_url: None,
            },
            max_attempts: 3,
            slots: Slots::new(
                Limits {
                    overall: 1,
                    per_account: 1,
                },
                metrics.inspections_running.clone(),
                mpsc::unbounded().0,
            ),
            held: Once::new(),
            accounts,
            inspections: reflector::store().0,
            recorder: Recorder::new(client, FIELD_MANAGER.into()),
            backoff: Backoff::default(),
            metrics,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.cloud.asked.lock().unwrap().clone()
    }

    fn phase(&self) -> Phase {
        self.inspection
            .status
            .as_ref()
            .map(|status| status.phase)
            .unwrap_or_default()
    }

    /// The reason of a condition.
    fn reason(&self, type_: &str) -> String {
        let status = self.inspection.status.clone().unwrap_or_default();
        crate::api::Conditions::find(&status.conditions, type_)
            .map(|c| format!("{} {}", c.status, c.reason))
            .unwrap_or_default()
    }
}

/// A Job of this inspection, as the API server has it.
fn job_with(suspend: bool, condition: Option<(&str, &str)>) -> Value {
    let conditions: Vec<_> = condition
        .iter()
        .map(|(type_, reason)| json!({"type": type_, "status": "True", "reason": reason}))
        .collect();
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": JOB, "namespace": "customers", "uid": "job-uid", "ownerReferences": [{"apiVersion": "v1", "kind": "x", "name": "web", "uid": UID}]},
        "spec": {"suspend": suspend, "template": {}},
        "status": {"conditions": conditions},
    })
}

fn not_there() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "", "code": 404})
}

fn taken() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "AlreadyExists", "message": "", "code": 409})
}

fn call(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

fn preparing() -> Value {
    json!({"phase": "Preparing", "runner": {"kind": "Job", "name": JOB}, "observedGeneration": 1,
        "conditions": [{"type": "ResourcesReleased", "status": "False", "reason": "InUse", "message": "", "lastTransitionTime": now()}]})
}

fn inspecting() -> Value {
    let mut status = preparing();
    status["phase"] = json!("Inspecting");
    status["attempts"] = json!(1);
    status
}

#[tokio::test]
async fn it_says_what_it_waits_for_once() {
    let mut world = World::new(json!({}), &[]).await;
    world.account_ready = false;
    let status = call("PATCH", &format!("{INSPECTION}/status"));
    let event = call("POST", EVENTS);
    let bodies = world
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown CloudAccountNotReady".into())
    );
    assert_eq!(world.reason(READY), "False CloudAccountNotReady");
    assert_eq!(
        (&bodies[1]["reason"], &bodies[1]["type"]),
        (&json!("CloudAccountNotReady"), &json!("Normal"))
    );
    world.pass(&[]).await;
}

#[tokio::test]
async fn it_has_a_finalizer_before_anything_is_made() {
    let mut world = World::new(json!({}), &["somebody.else/theirs"]).await;
    let (finalizer, status) = (
        call("PATCH", INSPECTION),
        call("PATCH", &format!("{INSPECTION}/status")),
    );
    let bodies = world
        .pass(&[(&finalizer, 200, Value::Null), (&status, 200, Value::Null)])
        .await;
    assert_eq!(
        bodies[0]["metadata"],
        json!({"finalizers": ["somebody.else/theirs", "cloudigrade.io/cleanup"], "resourceVersion": "7"})
    );
    assert_eq!(
        (world.phase(), world.reason(RELEASED)),
        (Phase::Preparing, "False InUse".into())
    );
    assert_eq!(
        world
            .inspection
            .status
            .as_ref()
            .unwrap()
            .runner
            .as_ref()
            .unwrap()
            .name,
        JOB
    );
    assert_eq!(
        world.asked(),
        [""; 0],
        "AWS is not asked before it is written down that it will be"
    );
}

#[tokio::test]
async fn the_job_sleeps_until_its_secret_is_there() {
    let mut world = World::new(preparing(), &[crate::api::FINALIZER]).await;
    let create = call("POST", JOBS);
    let secret = call("PATCH", &format!("{SECRETS}/{JOB}"));
    let start = call("PATCH", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let bodies = world
        .pass(&[
            (&create, 201, job_with(true, None)),
            (&secret, 200, Value::Null),
            (&start, 200, job_with(false, None)),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        world.asked(),
        [
            format!("describe {IMAGE} in us-east-1 of 210987654321"),
            "credentials for snap-1 in us-east-1, 900 s".into(),
            format!("url for InspectionResults/{UID}/1.json, 900 s"),
        ]
    );
    assert_eq!(bodies[0]["spec"]["suspend"], json!(true));
    assert_eq!(
        bodies[1]["stringData"],
        json!({
            "AWS_ACCESS_KEY_ID": "the-key-id",
            "AWS_SECRET_ACCESS_KEY": "the-secret-key",
            "AWS_SESSION_TOKEN": "the-token",
            "HOUNDIGRADE_RESULT_URL": "https://the-url",
        })
    );
    assert_eq!(
        bodies[1]["metadata"]["ownerReferences"][0]["uid"],
        json!("job-uid")
    );
    assert_eq!(bodies[2], json!({"spec": {"suspend": false}}));
    for body in [&bodies[0], &bodies[2], &bodies[3], &bodies[4]] {
        assert!(
            !body.to_string().contains("the-"),
            "a secret went somewhere else: {body}"
        );
    }
    let status = world.inspection.status.clone().unwrap();
    assert_eq!(
        (status.phase, status.attempts, world.reason(INSPECTED)),
        (Phase::Inspecting, 1, "Unknown Inspecting".into())
    );

    let read = call("GET", &format!("{JOBS}/{JOB}"));
    world.pass(&[(&read, 200, job_with(false, None))]).await;
}

#[tokio::test]
async fn a_pass_that_was_cut_off_finds_its_own_work() {
    let create = call("POST", JOBS);
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let secret = call("PATCH", &format!("{SECRETS}/{JOB}"));
    let start = call("PATCH", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );

    let mut asleep = World::new(preparing(), &[crate::api::FINALIZER]).await;
    asleep
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, job_with(true, None)),
            (&secret, 200, Value::Null),
            (&start, 200, job_with(false, None)),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(asleep.phase(), Phase::Inspecting);

    let mut started = World::new(preparing(), &[crate::api::FINALIZER]).await;
    started
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, job_with(false, None)),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(started.phase(), Phase::Inspecting);
    assert_eq!(
        started.asked().len(),
        1,
        "no second set of credentials: {:?}",
        started.asked()
    );
}

#[tokio::test]
async fn a_job_of_somebody_else_is_not_adopted() {
    let mut world = World::new(preparing(), &[crate::api::FINALIZER]).await;
    let (create, read) = (call("POST", JOBS), call("GET", &format!("{JOBS}/{JOB}")));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let mut foreign = job_with(true, None);
    foreign["metadata"]["ownerReferences"] = json!([]);
    world
        .pass(&[
            (&create, 409, taken()),
            (&read, 200, foreign),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown ForeignJob".into())
    );
}

#[tokio::test]
async fn a_cloud_that_refuses_is_said_and_asked_again_later() {
    let mut world = World::new(preparing(), &[crate::api::FINALIZER]).await;
    world.cloud.image = Err(CloudError {
        kind: Kind::Throttled,
        service: "ec2",
        operation: "DescribeImages",
        code: "RequestLimitExceeded".into(),
        message: "Request limit exceeded.".into(),
    });
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    world
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    let after = world.inspection.status.clone().unwrap();
    assert_eq!(
        (after.phase, after.attempts, world.reason(INSPECTED)),
        (Phase::Pending, 0, "Unknown Throttled".into())
    );
    assert!(after.next_attempt_time.is_some_and(|at| at.0 > now()));
}

#[tokio::test]
async fn what_was_found_is_kept_and_then_nothing_is_left() {
    let mut world = World::new(inspecting(), &[crate::api::FINALIZER]).await;
    let entry = json!({"verdict": "rhel", "rhel_found": true, "rhel_product_certs_found": true, "errors": [],
        "distribution": {"id": "rhel", "version": "9.4", "name": null, "path": "/etc/os-release"},
        "evidence": [{"fact": "rhel_product_certs", "path": "/etc/pki/product/479.pem", "detail": "RHEL"}]});
    world.cloud.result = Some(json!({"cloud": "aws", "errors": [], "images": {IMAGE: entry}}));
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    world
        .pass(&[
            (&read, 200, job_with(false, Some(("Complete", "")))),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(RELEASED)),
        (Phase::Inspected, "False Releasing".into())
    );
    assert_eq!(world.reason(READY), "True Inspected");
    let verdict = world.inspection.status.clone().unwrap().verdict.unwrap();
    assert_eq!(
        (verdict.rhel, verdict.version.as_deref()),
        (true, Some("9.4"))
    );
    let known = crate::store::inspections::known(&world.database, IMAGE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(known.facts, Some(entry));

    let (secret, finalizer) = (
        call("DELETE", &format!("{SECRETS}/{JOB}")),
        call("PATCH", INSPECTION),
    );
    world
        .pass(&[
            (&read, 200, job_with(false, Some(("Complete", "")))),
            (&secret, 404, not_there()),
            (&finalizer, 200, Value::Null),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(
        world.asked(),
        [format!("delete InspectionResults/{UID}/1.json")]
    );
    assert_eq!(world.reason(RELEASED), "True Released");
    world.pass(&[]).await;
    assert_eq!(world.asked(), [""; 0]);

    let mut again = World::new(json!({}), &[]).await;
    std::mem::swap(&mut again.database, &mut world.database);
    again
        .pass(&[(&status, 200, Value::Null), (&event, 201, Value::Null)])
        .await;
    assert_eq!(
        (again.phase(), again.reason(INSPECTED)),
        (Phase::Inspected, "True AlreadyKnown".into())
    );
    assert_eq!(
        again.inspection.status.clone().unwrap().verdict,
        Some(verdict)
    );
    assert_eq!(again.reason(RELEASED), "True NothingMade");
    again.pass(&[]).await;
}

#[tokio::test]
async fn a_failed_attempt_is_cleared_away_before_the_next() {
    let mut world = World::new(inspecting(), &[crate::api::FINALIZER]).await;
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let (status, event) = (
        call("PATCH", &format!("{INSPECTION}/status")),
        call("POST", EVENTS),
    );
    let failed = job_with(false, Some(("Failed", "DeadlineExceeded")));
    let bodies = world
        .pass(&[
            (&read, 200, failed.clone()),
            (&status, 200, Value::Null),
            (&event, 201, Value::Null),
        ])
        .await;
    assert_eq!(
        (world.phase(), world.reason(INSPECTED)),
        (Phase::Pending, "Unknown JobFailed".into())
    );
    assert_eq!(
        (&bodies[2]["type"], &bodies[2]["reason"]),
        (&json!("Warning"), &json!("JobFailed"))
    );

    let secret = call("DELETE", &format!("{SECRETS}/{JOB}"));
    world
        .pass(&[
            (&read, 200, failed),
            (&secret, 404, not_there()),
            (&status, 200, Value::Null),
        ])
        .await;
    assert_eq!(world.reason(RELEASED), "True Released");
    world.pass(&[]).await;
    assert_eq!(
        world.inspection.metadata.finalizers,
        Some(vec![crate::api::FINALIZER.to_owned()])
    );
}

#[tokio::test]
async fn deletion_waits_for_the_job_and_leaves_no_result() {
    let mut world = World::new(
        inspecting(),
        &[crate::api::FINALIZER, "somebody.else/theirs"],
    )
    .await;
    world.inspection.metadata.deletion_timestamp = Some(Time(now()));
    let read = call("GET", &format!("{JOBS}/{JOB}"));
    let delete = call("DELETE", &format!("{JOBS}/{JOB}"));
    let bodies = world
        .pass(&[
            (&read, 200, job_with(false, None)),
            (&delete, 200, job_with(false, None)),
        ])
        .await;
    assert_eq!(bodies[1]["propagationPolicy"], json!("Foreground"));
    assert_eq!(world.asked(), [""; 0], "a pod could still deliver");

    let mut leaving = job_with(false, None);
    leaving["metadata"]["deletionTimestamp"] = json!(now());
    world.pass(&[(&read, 200, leaving)]).await;

    let finalizer = call("PATCH", INSPECTION);
    world
        .pass(&[(&read, 404, not_there()), (&finalizer, 200, Value::Null)])
        .await;
    assert_eq!(
        world.asked(),
        [format!("delete InspectionResults/{UID}/1.json")]
    );
    assert_eq!(
        world.inspection.metadata.finalizers,
        Some(vec!["somebody.else/theirs".to_owned()])
    );
    world.pass(&[]).await;
}
