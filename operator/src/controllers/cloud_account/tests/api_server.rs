//! An API server that knows one account, and no other calls than those of its reconciliation.

use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

use cloudigrade_api::CloudAccount;

const COLLECTION: &str = "/apis/cloudigrade.io/v1alpha1/namespaces/customers/cloudaccounts";
const PATH: &str = "/apis/cloudigrade.io/v1alpha1/namespaces/customers/cloudaccounts/acme";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/customers/events";
const SECRET: &str = "/api/v1/namespaces/customers/secrets/external-id";

/// An API server that holds one account and notes the calls.
#[derive(Clone)]
pub(super) struct ApiServer {
    pub(super) account: Arc<Mutex<Value>>,
    calls: Arc<Mutex<Vec<String>>>,
    failing: Arc<Mutex<Option<Fault>>>,
    other: Arc<Mutex<Option<(String, Uuid)>>>,
}

/// Calls that fail.
#[derive(Clone, Copy)]
struct Fault {
    method: &'static str,
    /// End of the path
    path: &'static str,
    /// HTTP status
    code: u16,
}

impl ApiServer {
    pub(super) fn serve(account: &CloudAccount) -> (Self, Client) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let account = Arc::new(Mutex::new(serde_json::to_value(account).unwrap()));
        let server = Self {
            account,
            calls: Arc::default(),
            failing: Arc::default(),
            other: Arc::default(),
        };
        let answering = server.clone();
        tokio::spawn(async move {
            while let Some((request, reply)) = handle.next_request().await {
                let call = format!("{} {}", request.method(), request.uri().path());
                let bytes = request.into_body().collect_bytes().await.unwrap();
                let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let answer = answering.answer(&call, &body);
                let code = answer["code"].as_u64();
                let status = code.map_or(200, |code| u16::try_from(code).unwrap());
                let answer = Response::builder()
                    .status(status)
                    .body(Body::from(answer.to_string().into_bytes()));
                reply.send_response(answer.unwrap());
            }
        });
        (server, Client::new(service, "default"))
    }

    /// The calls since the last time, those that failed left out.
    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock())
    }

    /// Answers calls of `method` to paths that end in `path` with an error from now on.
    pub(super) fn fail(&self, method: &'static str, path: &'static str, code: u16) {
        *self.failing.lock() = Some(Fault { method, path, code });
    }

    /// Knows another CloudAccount of the namespace, by name and UID, from now on.
    pub(super) fn add_other(&self, name: &str, uid: Uuid) {
        let path = format!("{COLLECTION}/{name}");
        *self.other.lock() = Some((path, uid));
    }

    /// Answers every call again.
    pub(super) fn recover(&self) {
        *self.failing.lock() = None;
    }

    fn answer(&self, call: &str, body: &Value) -> Value {
        if let Some(Fault { method, path, code }) = *self.failing.lock()
            && call.starts_with(method)
            && call.ends_with(path)
        {
            return failure(code);
        }
        let mut account = self.account.lock();
        let summary = match call.split_once(' ').unwrap() {
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
                    .push(format!("event {}", body["reason"].as_str().unwrap()));
                return body.clone();
            }
            ("GET", SECRET) => {
                return match &account["secret"] {
                    Value::Bool(false) => failure(404),
                    Value::Null => secret("cloudigrade.io/external-id", "acme-external-id"),
                    secret => secret.clone(),
                };
            }
            // The same event again is written into the first.
            ("PATCH", path) if path.starts_with(EVENTS) => {
                self.calls.lock().push("event again".into());
                return body.clone();
            }
            ("GET", path) if path.starts_with(COLLECTION) => {
                return match &*self.other.lock() {
                    Some((other, uid)) if other == path => json!({
                        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                        "metadata": {"name": "other", "namespace": "customers", "uid": uid},
                    }),
                    _ => failure(404),
                };
            }
            (_, path) => panic!("nobody should call {path}"),
        };
        self.calls.lock().push(summary);
        account.clone()
    }
}

/// A Secret as the API server gives it.
pub(super) fn secret(type_: &str, value: &str) -> Value {
    let value = k8s_openapi::ByteString(value.as_bytes().to_vec());
    json!({"metadata": {"name": "external-id"}, "type": type_, "data": {"id": value}})
}

fn failure(code: u16) -> Value {
    let reason = if code == 404 { "NotFound" } else { "" };
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": "no"})
}
