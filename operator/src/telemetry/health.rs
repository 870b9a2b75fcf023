//! `/healthz`: the process answers. `/readyz`: every part that was started does its work. `/metrics`: numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

/// The last state of each component.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Result<(), String>>>>);

impl Health {
    /// `part` will have to say that it is ready before the process is.
    pub fn expect(&self, part: &'static str) {
        self.set(part, Err("starting".into()));
    }

    /// `part` works.
    pub fn ready(&self, part: &'static str) {
        self.set(part, Ok(()));
    }

    /// `part` does not work, and why.
    pub fn unready(&self, part: &'static str, why: impl Into<String>) {
        self.set(part, Err(why.into()));
    }

    /// Returns whether `part` said that it works.
    pub fn is_ready(&self, part: &'static str) -> bool {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get(part).is_some_and(Result::is_ok)
    }

    fn set(&self, part: &'static str, state: Result<(), String>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(part, state);
    }

    /// One line a part, and whether all are ready.
    fn describe(&self) -> (bool, String) {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = parts
            .iter()
            .map(|(part, state)| match state {
                Ok(()) => format!("[+] {part}\n"),
                Err(why) => format!("[-] {part}: {why}\n"),
            })
            .collect();
        (parts.values().all(Result::is_ok), text)
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
