//! Answers that are none, in the words of the original: a `detail`, or messages by parameter.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use cloudigrade_store::StoreError;

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Value,
}

impl ApiError {
    fn detail(status: StatusCode, detail: &str) -> Self {
        Self {
            status,
            body: json!({ "detail": detail }),
        }
    }

    /// The caller is not known. Whether such an organization exists is not revealed.
    pub(super) fn unauthenticated(detail: &str) -> Self {
        Self::detail(StatusCode::UNAUTHORIZED, detail)
    }

    /// The caller lacks the permission.
    pub(super) fn forbidden() -> Self {
        Self::detail(
            StatusCode::FORBIDDEN,
            "You do not have permission to perform this action.",
        )
    }

    /// There is no such thing, or it is not the caller's.
    pub(super) fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    pub(super) fn method() -> Self {
        Self::detail(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed.")
    }

    /// Invalid parameters, each with the reason.
    pub(super) fn parameters(wrong: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let body: Map<String, Value> = wrong
            .into_iter()
            .map(|(name, message)| (name.to_owned(), json!([message])))
            .collect();
        Self {
            status: StatusCode::BAD_REQUEST,
            body: body.into(),
        }
    }

    pub(super) fn too_many() -> Self {
        Self::detail(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests at once; try again in a second.",
        )
    }

    pub(super) fn too_slow() -> Self {
        Self::detail(
            StatusCode::SERVICE_UNAVAILABLE,
            "The answer took too long; ask for less, or later.",
        )
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request failed");
        Self::detail(
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer; try again later.",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            _ => {}
        }
        response
    }
}
