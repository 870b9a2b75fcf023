//! The REST API of the original, for those who read usage today (§9.1, §8.6).
//!
//! ```text
//! serve (connections, limits) ──► caller (who asks) ──► accounts · instances · images · concurrent · sysconfig
//! ```
//! Everything is read-only and of the caller's own organization; what belongs to others does not exist.

mod accounts;
mod caller;
mod concurrent;
mod failure;
mod images;
mod instances;
mod internal;
mod openapi;
mod page;
mod remembered;
mod serve;
mod sysconfig;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tracing::Instrument;

pub use internal::{Gate, KubernetesGate};
pub use openapi::document;
pub use remembered::Remembered;
pub use serve::serve;

use self::failure::Failure;
use crate::psk::PreSharedKeys;
use crate::telemetry::{Metrics, RequestLabel};
use cloudigrade_store::Pool;

/// Where the public routes are.
pub const BASE: &str = "/api/cloudigrade/v2";
/// Where the routes for the platform's own people and programs are.
pub const INTERNAL: &str = "/internal/api/cloudigrade/v1";

/// Requests worked on at the same time; further ones are told to come back.
const AT_ONCE: usize = 128;
/// Longest a request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Nothing that is read has a body.
const BODY_LIMIT: usize = 16 * 1024;
/// Id of the request, given by us, told to the caller and in every line of the log.
const REQUEST_ID: &str = "x-cloudigrade-request-id";
/// Id given by the platform in front of us.
const INSIGHTS_REQUEST_ID: &str = "x-rh-insights-request-id";

/// What the routes need.
#[derive(Clone)]
pub struct Api {
    /// The facts
    pub pool: Pool,
    /// Days that were asked for lately
    pub remembered: Remembered,
    /// Services that may ask for any organization
    pub psks: PreSharedKeys,
    /// The AWS account the operator lives in: customers' roles trust it
    pub own_account: Option<String>,
    /// Who may use the internal routes; nobody if there is none
    pub gate: Option<Arc<dyn Gate>>,
    /// Counts requests
    pub metrics: Metrics,
}

/// All routes.
pub fn router(api: Api) -> Router {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let metrics = api.metrics.clone();
    let public = |path: &str| format!("{BASE}{path}");
    let internal = |path: &str| format!("{INTERNAL}{path}");
    let guarded = Router::new()
        .route(&internal("/concurrent/"), get(concurrent::internal))
        .route(&internal("/accounts/"), get(internal::accounts))
        .route(&internal("/runs/"), get(internal::runs))
        .route_layer(middleware::from_fn_with_state(api.clone(), internal::guard));
    Router::new()
        .route(&public("/accounts/"), get(accounts::list))
        .route(&public("/accounts/{id}/"), get(accounts::one))
        .route(&public("/instances/"), get(instances::list))
        .route(&public("/instances/{id}/"), get(instances::one))
        .route(&public("/images/"), get(images::list))
        .route(&public("/images/{id}/"), get(images::one))
        .route(&public("/concurrent/"), get(concurrent::public))
        .route(&public("/sysconfig/"), get(sysconfig::show))
        .route(&public("/openapi.json"), get(openapi::show))
        .merge(guarded)
        .fallback(no_route)
        .method_not_allowed_fallback(async || Failure::method())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(
            (room, metrics),
            within_limits,
        ))
        .with_state(api)
}

/// The original answers under paths that end with a slash, and leads there from those that do not.
async fn no_route(uri: Uri) -> Response {
    let path = uri.path();
    if path.ends_with('/') || !path.starts_with(BASE) || path.contains("//") {
        return Failure::not_found().into_response();
    }
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::permanent(&format!("{path}/{}", query.unwrap_or_default())).into_response()
}

/// Gives every request an id, a time limit and its share of the room there is.
async fn within_limits(
    State((room, metrics)): State<(Arc<Semaphore>, Metrics)>,
    request: Request,
    next: Next,
) -> Response {
    let id = uuid::Uuid::new_v4();
    let insights_id = request
        .headers()
        .get(INSIGHTS_REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .map(|id| id.chars().take(100).collect::<String>());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", request_id = %id, insights_request_id = insights_id);
    async {
        let mut response = match room.try_acquire() {
            Ok(_place) => tokio::time::timeout(REQUEST_LIMIT, next.run(request))
                .await
                .unwrap_or_else(|_| Failure::too_slow().into_response()),
            Err(_) => Failure::too_many().into_response(),
        };
        let status = response.status();
        tracing::info!(%method, path, status = status.as_u16(), "answered");
        metrics
            .api_requests
            .get_or_create(&RequestLabel {
                status: class(status),
            })
            .inc();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
    .instrument(span)
    .await
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
