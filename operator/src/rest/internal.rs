//! Routes for the platform's own people and programs, open to identities that Kubernetes lets `get` their path.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use metering::usage::Period;
use tokio::sync::Semaphore;

use super::AppState;
use super::accounts::CloudAccount;
use super::error::ApiError;
use super::page::{ListParams, Page};
use crate::report::{self, RunRow};
use cloudigrade_store::{Doing, resources};

/// Authorizes requests to internal paths.
pub trait Authorizer: Send + Sync {
    /// Returns whether the holder of `token` may get `path`; an error when that can't be found out.
    fn authorizes<'a>(
        &'a self,
        token: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, String>>;
}

/// Asks Kubernetes: a TokenReview for the identity, a SubjectAccessReview for the permission.
pub struct KubernetesAuthorizer(pub kube::Client);

impl Authorizer for KubernetesAuthorizer {
    fn authorizes<'a>(
        &'a self,
        token: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move {
            self.review(token, path)
                .await
                .map_err(|error| error.to_string())
        })
    }
}

impl KubernetesAuthorizer {
    async fn review(&self, token: &str, path: &str) -> Result<bool, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let tokens: Api<TokenReview> = Api::all(self.0.clone());
        let status = tokens.create(&PostParams::default(), &review).await?.status;
        let user = status
            .filter(|status| status.authenticated == Some(true))
            .and_then(|status| status.user);
        let Some(user) = user else {
            return Ok(false);
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                groups: user.groups,
                uid: user.uid,
                // Scopes of a token, for example, without which its holder would have all rights of its owner.
                extra: user.extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(path.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let accesses: Api<SubjectAccessReview> = Api::all(self.0.clone());
        let status = accesses
            .create(&PostParams::default(), &review)
            .await?
            .status;
        Ok(status.is_some_and(|status| status.allowed))
    }
}

/// Refuses requests that are not authorized.
pub(super) async fn guard(
    State((api, reviews)): State<(AppState, Arc<Semaphore>)>,
    request: Request,
    next: Next,
) -> Response {
    let Some(authorizer) = &api.authorizer else {
        return ApiError::not_found().into_response();
    };
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return ApiError::unauthenticated("A token of this Kubernetes cluster is needed.")
            .into_response();
    };
    let Ok(review) = reviews.try_acquire() else {
        return ApiError::too_many().into_response();
    };
    let authorized = authorizer.authorizes(token, request.uri().path()).await;
    drop(review);
    match authorized {
        Ok(true) => next.run(request).await,
        Ok(false) => ApiError::forbidden().into_response(),
        Err(error) => {
            tracing::error!(error, "asking Kubernetes who may use the internal routes");
            ApiError::too_slow().into_response()
        }
    }
}

/// The cloud accounts of everybody, or of `?org_id=`.
pub(super) async fn accounts(
    State(api): State<AppState>,
    params: ListParams,
) -> Result<Json<Page<CloudAccount>>, ApiError> {
    let begun = api.pool.begin().await;
    let mut transaction = begun.doing("beginning to list accounts")?;
    let rows = resources::accounts(&mut transaction, params.parameter("org_id"), None).await?;
    Ok(params.paginate(rows.into_iter().map(CloudAccount::of).collect()))
}

/// The runs of one organization in a period: `?org_id=&start_date=&end_date=`.
pub(super) async fn runs(
    State(api): State<AppState>,
    params: ListParams,
) -> Result<Json<Page<RunRow>>, ApiError> {
    let missing = |name, message: &str| ApiError::parameters([(name, message.to_owned())]);
    let org_id = params
        .parameter("org_id")
        .ok_or_else(|| missing("org_id", "This field is required."))?;
    let day = |name: &'static str| {
        let text = params.parameter(name).unwrap_or_default();
        text.parse::<Date>()
            .map_err(|_| missing(name, "Enter a date (YYYY-MM-DD)."))
    };
    let (first, end) = (day("start_date")?, day("end_date")?);
    let last = end.yesterday().unwrap_or(end);
    let period = Period::of_days(first, last).until(Timestamp::now());
    let runs = report::runs(&api.pool, org_id, period).await?;
    Ok(params.paginate(runs))
}

#[cfg(test)]
mod tests {
    use http::{Request as HttpRequest, Response as HttpResponse};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that knows one token, which is good for the scope `usage` only.
    fn scoped() -> kube::Client {
        let (service, mut handle) =
            tower_test::mock::pair::<HttpRequest<Body>, HttpResponse<Body>>();
        tokio::spawn(async move {
            while let Some((request, reply)) = handle.next_request().await {
                let path = request.uri().path().to_owned();
                let bytes = request.into_body().collect_bytes().await.unwrap();
                let mut review: Value = serde_json::from_slice(&bytes).unwrap();
                review["status"] = if path.ends_with("/tokenreviews") {
                    json!({"authenticated": true, "user": {"username": "ann", "extra": {"scopes": ["usage"]}}})
                } else {
                    json!({"allowed": review["spec"]["extra"] == Value::Null})
                };
                let answer = Body::from(review.to_string().into_bytes());
                reply.send_response(HttpResponse::new(answer));
            }
        });
        kube::Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_token_with_a_scope_has_not_all_rights_of_its_owner() {
        let authorizer = KubernetesAuthorizer(scoped());
        let path = "/internal/api/cloudigrade/v1/accounts/";
        assert_eq!(authorizer.authorizes("token", path).await, Ok(false));
    }
}
