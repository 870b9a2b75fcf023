use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct Refused;

impl ErrorReason for Refused {
    fn reason(&self) -> &'static str {
        "Refused"
    }
}

/// Succeeds with ConfigMaps that hold anything.
struct Test;

impl Reconciler for Test {
    const KIND: &'static str = "Test";
    type Object = ConfigMap;
    type Error = Refused;

    async fn reconcile(&self, object: &ConfigMap, _: Timestamp) -> Result<Action, Refused> {
        match &object.data {
            Some(_) => Ok(Action::await_change()),
            None => Err(Refused),
        }
    }
}

/// A runtime whose API server notes the bodies of all calls.
fn runtime() -> (Runtime, UnboundedReceiver<Value>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let (sender, bodies) = unbounded_channel();
    tokio::spawn(async move {
        while let Some((request, reply)) = handle.next_request().await {
            let body = request.into_body().collect_bytes().await.unwrap();
            reply.send_response(Response::new(Body::from(body.clone())));
            sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
        }
    });
    let client = Client::new(service, "default");
    let clients = Clients {
        calls: client.clone(),
        watches: client,
    };
    let runtime = Runtime::new(clients, None, Metrics::default(), CancellationToken::new());
    (runtime, bodies)
}

fn object(data: Value) -> Guarded<ConfigMap> {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "test", "namespace": "customers", "uid": "1"}, "data": data,
    }))
    .unwrap()
}

fn running(runtime: &Runtime) -> Running<Test> {
    Running {
        runtime: runtime.clone(),
        reconciler: Test,
        backoff: Backoff::default(),
    }
}

fn errors(runtime: &Runtime) -> u64 {
    let label = ReasonLabel {
        kind: "Test",
        reason: "Refused",
    };
    runtime.metrics.reconcile_errors.get_or_create(&label).get()
}

#[tokio::test]
async fn an_object_that_cannot_be_read_gets_an_event_and_is_left_alone() {
    let (runtime, mut bodies) = runtime();
    let action = running(&runtime)
        .reconcile(&object(json!("of another version")))
        .await
        .unwrap();
    assert_eq!(action, Action::await_change());
    let event = bodies.recv().await.unwrap();
    assert_eq!(
        (&event["reason"], &event["type"]),
        (&json!("Invalid"), &json!("Warning"))
    );
    assert_eq!(event["regarding"]["name"], "test");
}

#[tokio::test]
async fn errors_are_counted_and_waits_grow_until_one_succeeds() {
    let (runtime, _) = runtime();
    let running = Arc::new(running(&runtime));
    let failing = Arc::new(object(Value::Null));
    let mut waits = Vec::new();
    for _ in 0..2 {
        let error = running.reconcile(&failing).await.unwrap_err();
        waits.push(error_policy(failing.clone(), &error, running.clone()));
    }
    assert_eq!(errors(&runtime), 2);
    assert_ne!(waits[0], waits[1]);
    running.reconcile(&object(json!({"a": "b"}))).await.unwrap();
    assert_eq!(error_policy(failing, &Refused, running), waits[0]);
}

#[tokio::test]
async fn rounds_go_on_after_an_error_and_end_at_shutdown() {
    let (runtime, _) = runtime();
    let mut rounds = 0;
    runtime
        .run_rounds("Test", Duration::ZERO, || {
            rounds += 1;
            if rounds == 3 {
                runtime.shutdown.cancel();
            }
            std::future::ready(Err(Refused))
        })
        .await;
    assert_eq!((rounds, errors(&runtime)), (3, 3));
}
