//! The REST API of [the original](https://github.com/cloudigrade/cloudigrade), for its clients (docs/api.md).
//!
//! ```text
//! serve (connections, limits) ──► identity ──► accounts · instances · images · concurrent · sysconfig
//! ```
//! Everything is read-only and limited to the caller's organization; other organizations' resources answer 404.

mod accounts;
mod callers;
mod concurrent;
mod error;
mod identity;
mod images;
mod instances;
mod internal;
mod openapi;
mod page;
mod serve;
mod sysconfig;
#[cfg(test)]
mod tests;
mod usage_cache;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing;
use tokio::sync::Semaphore;
use tracing::Instrument;

pub use internal::{Authorizer, KubernetesAuthorizer};
pub use openapi::document;
pub use serve::serve;
pub use usage_cache::UsageCache;

use self::callers::{Caller, Callers, WRONG_KEY_DELAY};
use self::error::ApiError;
use crate::psk::PreSharedKeys;
use crate::telemetry::{Metrics, RequestLabel};
use cloudigrade_store::Pool;

/// Path of the public routes.
pub const BASE: &str = "/api/cloudigrade/v2";
/// Path of the routes for the platform's own people and programs.
pub const INTERNAL: &str = "/internal/api/cloudigrade/v1";

/// Requests in progress at the same time; further ones get 429.
const AT_ONCE: usize = 128;
/// Tokens that Kubernetes is asked about at the same time; callers with bogus ones are to be no burden to it.
const REVIEWS_AT_ONCE: usize = 8;
/// Longest a request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Limit of a request's body in bytes; no route reads one.
const BODY_LIMIT: usize = 16 * 1024;
/// Id of the request: in its answer and in every line of the log.
const REQUEST_ID: &str = "x-cloudigrade-request-id";
/// Id given by the gateway.
const INSIGHTS_REQUEST_ID: &str = "x-rh-insights-request-id";

/// State of the routes.
#[derive(Clone)]
pub struct AppState {
    /// The facts
    pub pool: Pool,
    /// Recently requested days
    pub usage_cache: UsageCache,
    /// Services that may ask for any organization
    pub psks: PreSharedKeys,
    /// The AWS account the operator lives in: customers' roles trust it
    pub own_account: Option<String>,
    /// Actions that a customer's role must allow
    pub customer_actions: Vec<&'static str>,
    /// Authorizes internal routes; without it they don't exist
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// Counts requests
    pub metrics: Metrics,
}

/// All routes.
pub fn router(api: AppState) -> Router {
    let limits = RequestLimits {
        room: Arc::new(Semaphore::new(AT_ONCE)),
        callers: Callers::default(),
        psks: api.psks.clone(),
        metrics: api.metrics.clone(),
    };
    let reviews = Arc::new(Semaphore::new(REVIEWS_AT_ONCE));
    let public = |path: &str| format!("{BASE}{path}");
    let internal = |path: &str| format!("{INTERNAL}{path}");
    let guarded = Router::new()
        .route(
            &internal("/concurrent/"),
            routing::get(concurrent::internal),
        )
        .route(&internal("/accounts/"), routing::get(internal::accounts))
        .route(&internal("/runs/"), routing::get(internal::runs))
        .route_layer(middleware::from_fn_with_state(
            (api.clone(), reviews),
            internal::guard,
        ));
    Router::new()
        .route(&public("/accounts/"), routing::get(accounts::list))
        .route(&public("/accounts/{id}/"), routing::get(accounts::get))
        .route(&public("/instances/"), routing::get(instances::list))
        .route(&public("/instances/{id}/"), routing::get(instances::get))
        .route(&public("/images/"), routing::get(images::list))
        .route(&public("/images/{id}/"), routing::get(images::get))
        .route(&public("/concurrent/"), routing::get(concurrent::public))
        .route(&public("/sysconfig/"), routing::get(sysconfig::get))
        .route(&public("/openapi.json"), routing::get(openapi::get))
        .merge(guarded)
        .fallback(no_route)
        .method_not_allowed_fallback(async || ApiError::method())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(limits, within_limits))
        .with_state(api)
}

/// Redirects to the path with a slash at its end, as the original does.
async fn no_route(uri: Uri) -> Response {
    let path = uri.path();
    if path.ends_with('/') || !path.starts_with(BASE) || path.contains("//") {
        return ApiError::not_found().into_response();
    }
    let query = uri.query().map(|query| format!("?{query}"));
    Redirect::permanent(&format!("{path}/{}", query.unwrap_or_default())).into_response()
}

/// State of [`within_limits`].
#[derive(Clone)]
struct RequestLimits {
    room: Arc<Semaphore>,
    callers: Callers,
    psks: PreSharedKeys,
    metrics: Metrics,
}

/// Gives every request an id and a time limit, and refuses it when too many are in progress: in all, or of its caller.
async fn within_limits(
    State(limits): State<RequestLimits>,
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
        let caller = identity::caller(request.headers(), &limits.psks);
        let is_wrong_key = caller == Caller::WrongKey;
        let mut response = match (limits.callers.enter(caller), limits.room.try_acquire()) {
            (Some(_caller), Ok(_place)) => {
                if is_wrong_key {
                    tokio::time::sleep(WRONG_KEY_DELAY).await;
                }
                tokio::time::timeout(REQUEST_LIMIT, next.run(request))
                    .await
                    .unwrap_or_else(|_| ApiError::too_slow().into_response())
            }
            _ => ApiError::too_many().into_response(),
        };
        let status = response.status();
        tracing::info!(%method, path, status = status.as_u16(), "answered");
        limits
            .metrics
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
