//! An inspection, a scripted API server, a cloud that notes what it is asked, a real database.

use std::sync::Mutex;
use std::time::Duration;

use http::{Request, Response};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use kube::runtime::reflector;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::controllers::client::Clients;
use crate::telemetry::Metrics;
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::Secret;
use cloudigrade_cloud::{CloudError, ImageState, ResultObject, RootDisk, SnapshotCredentials};
use cloudigrade_store::testing::TestDatabase;

pub(super) const IMAGE: &str = "ami-0123456789abcdef0";
pub(super) const JOB: &str = "houndigrade-ami-0123456789abcdef0-5f0c1a2b-1";
pub(super) const UID: &str = "5f0c1a2b-9d3e-4f5a-8b6c-7d8e9f0a1b2c";
pub(super) const INSPECTION: &str =
    "/apis/cloudigrade.io/v1alpha1/namespaces/customers/imageinspections/web";
pub(super) const JOBS: &str = "/apis/batch/v1/namespaces/inspections/jobs";
pub(super) const SECRETS: &str = "/api/v1/namespaces/inspections/secrets";
pub(super) const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/customers/events";

pub(super) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A cloud that answers from its fields and notes what was asked.
pub(super) struct TestCloud {
    pub(super) image: Result<Option<ImageState>, CloudError>,
    pub(super) result: Option<Value>,
    pub(super) deletion: Result<(), CloudError>,
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
            deletion: Ok(()),
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
        role: &IamRole,
        region: &str,
        image: &str,
    ) -> Result<Option<ImageState>, CloudError> {
        self.note(format!(
            "describe {image} in {region} of {}",
            role.arn.account_id()
        ));
        self.image.clone()
    }

    async fn snapshot_credentials(
        &self,
        _: &IamRole,
        region: &str,
        snapshot: &str,
        valid: Duration,
    ) -> Result<SnapshotCredentials, CloudError> {
        self.note(format!(
            "credentials for {snapshot} in {region}, {} s",
            valid.as_secs()
        ));
        Ok(SnapshotCredentials {
            access_key_id: Secret::new("the-key-id"),
            secret_access_key: Secret::new("the-secret-key"),
            session_token: Secret::new("the-token"),
        })
    }

    async fn upload_url(&self, key: &str, valid: Duration) -> Result<Secret, CloudError> {
        self.note(format!("url for {key}, {} s", valid.as_secs()));
        Ok(Secret::new("https://the-url"))
    }

    async fn result(&self, key: &str, _: usize) -> Result<Option<ResultObject>, CloudError> {
        self.note(format!("read {key}"));
        Ok(self
            .result
            .as_ref()
            .map(|result| ResultObject::Complete(result.to_string().into_bytes())))
    }

    async fn delete_result(&self, key: &str) -> Result<(), CloudError> {
        self.note(format!("delete {key}"));
        self.deletion.clone()
    }
}

/// An inspection with this status, and everything one pass over it touches.
pub(super) struct World {
    pub(super) inspection: ImageInspection,
    pub(super) account_ready: bool,
    pub(super) cloud: TestCloud,
    pub(super) database: TestDatabase,
}

impl World {
    pub(super) async fn new(status: Value, finalizers: &[&str]) -> Self {
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
    /// The status written is the one that the next reconciliation reads.
    pub(super) async fn pass(&mut self, script: &[(&str, u16, Value)]) -> Vec<Value> {
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
            let result = reconcile::reconcile_once(&self.inspection, &context, now()).await;
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
        let runtime = Runtime::new(
            Clients {
                calls: client.clone(),
                watches: client,
            },
            None,
            Metrics::default(),
            CancellationToken::new(),
        );
        let settings = Settings {
            job: JobSettings {
                namespace: "inspections".into(),
                image: "houndigrade:test".into(),
                aws_endpoint_url: None,
            },
            limits: Limits {
                overall: 1,
                per_account: 1,
            },
            max_attempts: 3,
        };
        Context {
            database: (*self.database).clone(),
            cloud: TestCloud {
                image: self.cloud.image.clone(),
                result: self.cloud.result.clone(),
                deletion: self.cloud.deletion.clone(),
                asked: Mutex::default(),
            },
            limiter: Limiter::new(
                settings.limits,
                runtime.metrics.inspections_running.clone(),
                mpsc::unbounded().0,
            ),
            settings,
            restored: Once::new(),
            accounts,
            inspections: reflector::store().0,
            backoff: Backoff::default(),
            runtime,
        }
    }

    /// The Job of the first attempt as the API server has it, started or not.
    pub(super) fn stored_job(&self, suspend: bool) -> Value {
        let settings = JobSettings {
            namespace: "inspections".into(),
            image: "houndigrade:test".into(),
            aws_endpoint_url: None,
        };
        let attempt = attempt::Attempt::next(&self.inspection);
        let job = job::job(&self.inspection, &attempt, "snap-1", &settings);
        let mut job = serde_json::to_value(job).unwrap();
        job["metadata"]["uid"] = json!("job-uid");
        job["spec"]["suspend"] = json!(suspend);
        job["spec"]["completionMode"] = json!("NonIndexed");
        job
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.cloud.asked.lock().unwrap().clone()
    }

    pub(super) fn phase(&self) -> Phase {
        self.inspection
            .status
            .as_ref()
            .map(|status| status.phase)
            .unwrap_or_default()
    }

    /// The reason of a condition.
    pub(super) fn reason(&self, type_: &str) -> String {
        let status = self.inspection.status.clone().unwrap_or_default();
        cloudigrade_api::Conditions::find(&status.conditions, type_)
            .map(|c| format!("{} {}", c.status, c.reason))
            .unwrap_or_default()
    }
}

/// A Job of this inspection, as the API server has it.
pub(super) fn job_with(suspend: bool, condition: Option<(&str, &str)>) -> Value {
    let conditions: Vec<_> = condition
        .iter()
        .map(|(type_, reason)| json!({"type": type_, "status": "True", "reason": reason}))
        .collect();
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": JOB, "namespace": "inspections", "uid": "job-uid", "labels": {"cloudigrade.io/inspection-uid": UID}},
        "spec": {"suspend": suspend, "template": {}},
        "status": {"conditions": conditions},
    })
}

pub(super) fn not_there() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "", "code": 404})
}

pub(super) fn unavailable() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "message": "etcd is away", "code": 500})
}

pub(super) fn taken() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "AlreadyExists", "message": "", "code": 409})
}

pub(super) fn call(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

pub(super) fn preparing() -> Value {
    json!({"phase": "Preparing", "runner": {"kind": "Job", "name": JOB}, "observedGeneration": 1,
        "conditions": [{"type": "ResourcesReleased", "status": "False", "reason": "InUse", "message": "", "lastTransitionTime": now()}]})
}

pub(super) fn inspecting() -> Value {
    let mut status = preparing();
    status["phase"] = json!("Inspecting");
    status["attempts"] = json!(1);
    status
}
