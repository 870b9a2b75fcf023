//! `/healthz`: the process answers. `/readyz`: every component that was started works. `/metrics`: numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

/// The last state of each component.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>);

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

    /// Returns whether `component` said that it works.
    pub fn is_ready(&self, component: &'static str) -> bool {
        let components = self.0.lock();
        components.get(component).is_some_and(Result::is_ok)
    }

    fn set(&self, component: &'static str, state: Result<(), String>) {
        self.0.lock().insert(component, state);
    }

    /// One line a component, and whether all are ready.
    fn describe(&self) -> (bool, String) {
        let components = self.0.lock();
        let text = components
            .iter()
            .map(|(component, state)| match state {
                Ok(()) => format!("[+] {component}\n"),
                Err(why) => format!("[-] {component}: {why}\n"),
            })
            .collect();
        (components.values().all(Result::is_ok), text)
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
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(health)
        .route("/metrics", get(metrics).with_state(Arc::new(registry)));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn readyz(State(health): State<Health>) -> Response {
    let (ready, text) = health.describe();
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
            health.describe(),
            (false, "[-] database: starting\n[+] queue\n".into())
        );
        health.ready("database");
        assert!(health.describe().0);
    }
}
