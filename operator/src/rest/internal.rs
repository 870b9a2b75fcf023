//! The routes for the platform's own people and programs, and who may use them: whoever Kubernetes lets `get` their path.

use std::future::Future;
use std::pin::Pin;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api as Resources, PostParams};
use metering::usage::Period;
use serde::Serialize;

use super::Api;
use super::accounts::CloudAccount;
use super::failure::Failure;
use super::page::{Page, Wanted};
use crate::report::{self, RunRow};
use cloudigrade_store::{Doing, resources};

/// Decides who may use a path.
pub trait Gate: Send + Sync {
    /// Whether the holder of `token` may get `path`.
    fn admits<'a>(&'a self, token: &'a str, path: &'a str) -> Admission<'a>;
}

/// An answer that takes a while: who may not is told so, unless it could not be found out.
pub type Admission<'a> = Pin<Box<dyn Future<Output = Result<bool, String>> + Send + 'a>>;

/// Asks Kubernetes: a TokenReview tells who it is, a SubjectAccessReview whether they may.
pub struct KubernetesGate(pub kube::Client);

impl Gate for KubernetesGate {
    fn admits<'a>(&'a self, token: &'a str, path: &'a str) -> Admission<'a> {
        Box::pin(async move {
            self.review(token, path)
                .await
                .map_err(|error| error.to_string())
        })
    }
}

impl KubernetesGate {
    async fn review(&self, token: &str, path: &str) -> Result<bool, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                ..TokenReviewSpec::default()
            },
            ..TokenReview::default()
        };
        let tokens: Resources<TokenReview> = Resources::all(self.0.clone());
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
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(path.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let accesses: Resources<SubjectAccessReview> = Resources::all(self.0.clone());
        let status = accesses
            .create(&PostParams::default(), &review)
            .await?
            .status;
        Ok(status.is_some_and(|status| status.allowed))
    }
}

/// Lets in who may.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(gate) = &api.gate else {
        return Failure::not_found().into_response();
    };
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return Failure::unauthenticated("A token of this Kubernetes cluster is needed.")
            .into_response();
    };
    match gate.admits(token, request.uri().path()).await {
        Ok(true) => next.run(request).await,
        Ok(false) => Failure::forbidden().into_response(),
        Err(error) => {
            tracing::error!(error, "asking Kubernetes who may use the internal routes");
            Failure::too_slow().into_response()
        }
    }
}

/// The cloud accounts of everybody, or of `?org_id=`.
pub(super) async fn accounts(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Page<CloudAccount>>, Failure> {
    let begun = api.pool.begin().await;
    let mut transaction = begun.doing("beginning to list accounts")?;
    let rows = resources::accounts(&mut transaction, wanted.parameter("org_id"), None).await?;
    Ok(wanted.slice(rows.into_iter().map(CloudAccount::of).collect()))
}

/// A run, with what an auditor asks about it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    #[serde(flatten)]
    run: RunRow,
}

/// The runs of one organization in a period: `?org_id=&start_date=&end_date=`.
pub(super) async fn runs(
    State(api): State<Api>,
    wanted: Wanted,
) -> Result<Json<Page<Run>>, Failure> {
    let missing = |name, message: &str| Failure::parameters([(name, message.to_owned())]);
    let org_id = wanted
        .parameter("org_id")
        .ok_or_else(|| missing("org_id", "This field is required."))?;
    let day = |name: &'static str| {
        let text = wanted.parameter(name).unwrap_or_default();
        text.parse::<Date>()
            .map_err(|_| missing(name, "Enter a date (YYYY-MM-DD)."))
    };
    let (first, end) = (day("start_date")?, day("end_date")?);
    let last = end.yesterday().unwrap_or(end);
    let period = Period::of_days(first, last).until(Timestamp::now());
    let runs = report::runs(&api.pool, org_id, period).await?;
    Ok(wanted.slice(runs.into_iter().map(|run| Run { run }).collect()))
}
