//! An API server that knows one account, and no other calls than those that passes over it are to make.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use cloudigrade_api::CloudAccount;

const PATH: &str = "/apis/cloudigrade.io/v1alpha1/namespaces/customers/cloudaccounts/acme";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/customers/events";
const SECRET: &str = "/api/v1/namespaces/customers/secrets/external-id";

/// An API server that holds one account and notes what it is asked.
#[derive(Clone)]
pub(super) struct ApiServer {
    pub(super) account: Arc<Mutex<Value>>,
    pub(super) calls: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    pub(super) fn serve(account: &CloudAccount) -> (Self, Client) {
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
