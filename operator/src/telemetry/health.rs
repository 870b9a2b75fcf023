//! `/healthz`: the loops go round. `/readyz`: every component that was started works; `/readyz/ROLE`: those that a role needs.
//! `/metrics`: numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::registry::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest round of a loop: beyond, it will not come back.
pub const STUCK: Duration = Duration::from_secs(15 * 60);

/// Postgres
pub const DATABASE: &str = "database";
/// SQS
pub const QUEUE: &str = "queue";
/// The API server and our definitions
pub const KUBERNETES: &str = "kubernetes";

/// The components that each role needs.
const COMPONENTS: [(&str, &[&str]); 3] = [
    ("api", &[DATABASE]),
    ("ingest", &[DATABASE, QUEUE]),
    ("operator", &[DATABASE, KUBERNETES]),
];

/// The last state of each component, and the last round of each loop.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<HealthState>>);

#[derive(Debug, Default)]
struct HealthState {
    components: BTreeMap<&'static str, Result<(), String>>,
    loops: BTreeMap<&'static str, Instant>,
}

impl Health {
    /// `component` will have to say that it is ready before the process is.
    pub fn expect(&self, component: &'static str) {
        self.set(component, Err("starting".into()));
    }

    /// `component` works.
    pub fn ready(&self, component: &'static str) {
        self.set(component, Ok(()));
    }

    /// `component` does not work, and why.
    pub fn unready(&self, component: &'static str, why: impl Into<String>) {
        self.set(component, Err(why.into()));
    }

    /// The loop `name` goes round; it is to come here again within `limit`, or the process is restarted.
    pub fn beat(&self, name: &'static str, limit: Duration) {
        self.lock().loops.insert(name, Instant::now() + limit);
    }

    /// Returns whether `component` said that it works.
    pub fn is_ready(&self, component: &'static str) -> bool {
        self.lock()
            .components
            .get(component)
            .is_some_and(Result::is_ok)
    }

    fn set(&self, component: &'static str, state: Result<(), String>) {
        self.lock().components.insert(component, state);
    }

    fn lock(&self) -> MutexGuard<'_, HealthState> {
        self.0.lock()
    }

    /// One line a component of those that `wanted` has, and whether all are ready.
    fn describe(&self, wanted: impl Fn(&str) -> bool) -> (bool, String) {
        let state = self.lock();
        let components = || {
            state
                .components
                .iter()
                .filter(|(component, _)| wanted(component))
        };
        let text = components()
            .map(|(component, state)| match state {
                Ok(()) => format!("[+] {component}\n"),
                Err(why) => format!("[-] {component}: {why}\n"),
            })
            .collect();
        (components().all(|(_, state)| state.is_ok()), text)
    }

    /// The loops that did not come round in time.
    fn stuck(&self, now: Instant) -> Vec<&'static str> {
        let state = self.lock();
        let late = state.loops.iter().filter(|(_, due)| **due < now);
        late.map(|(name, _)| *name).collect()
    }
}

/// Serves until `shutdown`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    health: Health,
    registry: Registry,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/readyz/{role}", get(readyz_of_role))
        .with_state(health)
        .route("/metrics", get(metrics).with_state(Arc::new(registry)));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn healthz(State(health): State<Health>) -> Response {
    let stuck = health.stuck(Instant::now());
    if stuck.is_empty() {
        return "ok\n".into_response();
    }
    let text = format!("stuck: {}\n", stuck.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(health): State<Health>) -> Response {
    ready(health.describe(|_| true))
}

async fn readyz_of_role(State(health): State<Health>, Path(role): Path<String>) -> Response {
    let Some((_, components)) = COMPONENTS.iter().find(|(name, _)| *name == role) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ready(health.describe(|component| components.contains(&component)))
}

fn ready((ready, text): (bool, String)) -> Response {
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => {
            let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_part_is() {
        let health = Health::default();
        health.expect("database");
        health.ready("queue");
        assert_eq!(
            health.describe(|_| true),
            (false, "[-] database: starting\n[+] queue\n".into())
        );
        health.ready("database");
        assert!(health.describe(|_| true).0);
    }

    #[tokio::test]
    async fn a_throttled_queue_leaves_the_api_ready() {
        let health = Health::default();
        health.ready(DATABASE);
        health.unready(QUEUE, "Rate exceeded");
        let asked = async |role: &str| {
            let answer = readyz_of_role(State(health.clone()), Path(role.into())).await;
            answer.status().as_u16()
        };
        assert_eq!(asked("api").await, 200);
        assert_eq!(asked("ingest").await, 503);
        assert_eq!(asked("nobody").await, 404);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_come_round_ends_the_process() {
        let health = Health::default();
        let status = async || healthz(State(health.clone())).await.status().as_u16();
        health.beat("ingest", Duration::from_secs(60));
        assert_eq!(status().await, 200);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(status().await, 503);
        health.beat("ingest", Duration::from_secs(60));
        assert_eq!(status().await, 200);
    }
}
