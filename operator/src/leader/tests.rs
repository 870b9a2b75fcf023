//! Leaders and an API server that goes away and comes back, in test time.

use std::sync::Arc;

use http::{Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

/// An API server with one Lease.
#[derive(Clone, Default)]
struct ApiServer {
    lease: Arc<Mutex<Option<Value>>>,
    away: Arc<Mutex<bool>>,
}

impl ApiServer {
    fn client(&self) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = self.clone();
        tokio::spawn(async move {
            while let Some((request, reply)) = handle.next_request().await {
                let method = request.method().clone();
                let bytes = request.into_body().collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                let (code, answer) = server.answer(method.as_str(), body);
                let answer = Body::from(answer.to_string().into_bytes());
                reply.send_response(Response::builder().status(code).body(answer).unwrap());
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &str, body: Value) -> (u16, Value) {
        let refused = |code: u16| {
            let reason = if code == 404 { "NotFound" } else { "" };
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no"}),
            )
        };
        if *self.away.lock() {
            return refused(500);
        }
        let mut stored = self.lease.lock();
        match (method, stored.as_mut()) {
            ("POST", None) => {
                let mut lease = body;
                lease["metadata"]["resourceVersion"] = json!("1");
                *stored = Some(lease);
            }
            ("PATCH", Some(lease)) => {
                let version = lease["metadata"]["resourceVersion"].clone();
                if body["metadata"]["resourceVersion"] != version {
                    return refused(409);
                }
                let next: u32 = version.as_str().unwrap().parse().unwrap();
                lease["metadata"]["resourceVersion"] = json!((next + 1).to_string());
                for (key, value) in body["spec"].as_object().unwrap() {
                    lease["spec"][key] = value.clone();
                }
            }
            ("GET", Some(_)) => {}
            ("GET", None) => return refused(404),
            other => panic!("{other:?}"),
        }
        (200, stored.clone().unwrap())
    }

    fn set_away(&self, away: bool) {
        *self.away.lock() = away;
    }

    fn candidate(&self, identity: &str) -> Candidate {
        Candidate::new(self.client(), "default", identity)
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_of_the_api_server_does_not_end_leadership() {
    let server = ApiServer::default();
    let mut leader = server.candidate("a");
    let term = leader.acquire().await;
    let outages = async {
        for _ in 0..3 {
            pass(30).await;
            server.set_away(true);
            pass(11).await;
            server.set_away(false);
        }
        pass(30).await;
    };
    tokio::select! {
        lost = leader.lost() => panic!("{lost}"),
        () = outages => {}
    }
    assert!(term.lasts());
}

#[tokio::test(start_paused = true)]
async fn a_leader_stops_before_another_replica_can_lead() {
    let server = ApiServer::default();
    let mut leader = server.candidate("a");
    let term = leader.acquire().await;
    let began = Instant::now();
    server.set_away(true);
    let lost = leader.lost().await;
    assert!(matches!(lost, LeaderError::NotRenewed { .. }), "{lost}");
    assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
    assert!(!term.lasts());
}

#[tokio::test(start_paused = true)]
async fn the_next_replica_leads_when_the_leader_is_gone_or_gives_the_lease_back() {
    let server = ApiServer::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    first.acquire().await;
    let began = Instant::now();
    second.acquire().await;
    let waited = began.elapsed();
    assert!(waited >= LEASE && waited < LEASE + RETRY * 2, "{waited:?}");
    let lost = first.lost().await;
    assert!(
        matches!(&lost, LeaderError::Taken(by) if by == "b"),
        "{lost}"
    );

    second.release().await.unwrap();
    let began = Instant::now();
    first.acquire().await;
    assert!(began.elapsed() < RETRY, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_at_the_start_is_waited_for() {
    let server = ApiServer::default();
    server.set_away(true);
    let mut candidate = server.candidate("a");
    let back = async {
        pass(600).await;
        server.set_away(false);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        term = candidate.acquire() => assert!(term.lasts()),
        () = back => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_slept_through_its_term_writes_nothing() {
    let term = Term::default();
    term.extend(Instant::now() + LEASE);
    assert!(term.lasts());
    pass(21).await;
    assert!(!term.lasts());
    let config = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
    let leases: Api<Lease> = Api::namespaced(term.client(config).unwrap(), "default");
    let error = leases
        .create(&PostParams::default(), &Lease::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Lease has ended"), "{error}");
}
