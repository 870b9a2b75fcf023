//! Authentication: an identity that the platform's gateway vouches for, or a service's pre-shared key.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use sqlx::PgTransaction;

use super::AppState;
use super::callers::Caller;
use super::error::ApiError;
use crate::psk::PreSharedKeys;
use cloudigrade_store::Doing;
use cloudigrade_store::organizations::{self, Organization};

const IDENTITY: &str = "x-rh-identity";
const FAKE_IDENTITY: &str = "x-rh-internal-fake-identity";
const PSK: &str = "x-rh-cloudigrade-psk";
const ACCOUNT_NUMBER: &str = "x-rh-cloudigrade-account-number";
const ORG_ID: &str = "x-rh-cloudigrade-org-id";

/// An organization as a request names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestedOrganization {
    pub(super) org_id: Option<String>,
    pub(super) account_number: Option<String>,
}

/// Content of the headers, before any look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Credentials {
    requested: RequestedOrganization,
    /// Others must not see usage; services may.
    is_org_admin: bool,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    identity: Identity,
}

#[derive(Default, Deserialize)]
struct Identity {
    org_id: Option<String>,
    account_number: Option<String>,
    #[serde(default)]
    user: User,
    #[serde(default)]
    internal: Internal,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    is_org_admin: bool,
}

#[derive(Default, Deserialize)]
struct Internal {
    org_id: Option<String>,
}

const NONE_GIVEN: &str = "Authentication credentials were not provided.";
const INCORRECT: &str = "Incorrect authentication credentials.";

/// Reads the headers. `fake` allows the identity that the internal routes take.
fn credentials(
    headers: &HeaderMap,
    psks: &PreSharedKeys,
    fake: bool,
) -> Result<Credentials, ApiError> {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let refused = ApiError::unauthenticated;
    if headers.contains_key(PSK) {
        let key = text(PSK).unwrap_or_default();
        let Some(service) = psks.service(&key) else {
            return Err(refused(
                "Authentication Failed: Invalid PSK specified in header",
            ));
        };
        tracing::info!(service, "asked with a pre-shared key");
        let requested = RequestedOrganization {
            org_id: text(ORG_ID),
            account_number: text(ACCOUNT_NUMBER),
        };
        return complete(requested, true);
    }
    let header = text(FAKE_IDENTITY)
        .filter(|_| fake)
        .or_else(|| text(IDENTITY));
    let Some(header) = header else {
        return Err(refused(NONE_GIVEN));
    };
    let invalid = || refused("Authentication Failed: invalid identity header");
    let json = BASE64_STANDARD.decode(&header).map_err(|_| invalid())?;
    let Header { identity } = serde_json::from_slice(&json).map_err(|_| invalid())?;
    let given = |id: Option<String>| id.filter(|id| !id.trim().is_empty());
    let requested = RequestedOrganization {
        org_id: given(identity.org_id).or_else(|| given(identity.internal.org_id)),
        account_number: given(identity.account_number),
    };
    complete(requested, identity.user.is_org_admin)
}

/// Returns the sender of a request with these headers, for the limits of each.
pub(super) fn caller(headers: &HeaderMap, psks: &PreSharedKeys) -> Caller {
    if let Some(key) = headers.get(PSK) {
        let service = key.to_str().ok().and_then(|key| psks.service(key.trim()));
        return service.map_or(Caller::WrongKey, |service| {
            Caller::Service(service.to_owned())
        });
    }
    let Ok(Credentials { requested, .. }) = credentials(headers, psks, false) else {
        return Caller::Unknown;
    };
    requested
        .org_id
        .or(requested.account_number)
        .map_or(Caller::Unknown, Caller::Organization)
}

fn complete(requested: RequestedOrganization, is_org_admin: bool) -> Result<Credentials, ApiError> {
    if requested.org_id.is_none() && requested.account_number.is_none() {
        return Err(ApiError::unauthenticated(
            "Authentication Failed: identity account number or org id is required, but neither is present in request.",
        ));
    }
    Ok(Credentials {
        requested,
        is_org_admin,
    })
}

/// The organization, and the transaction in which it was looked up.
async fn organization(
    api: &AppState,
    requested: &RequestedOrganization,
) -> Result<(Organization, PgTransaction<'static>), ApiError> {
    let (org_id, account_number) = (
        requested.org_id.as_deref(),
        requested.account_number.as_deref(),
    );
    let begun = api.pool.begin().await;
    let mut transaction = begun.doing("beginning to answer a request")?;
    let found = organizations::find(&mut *transaction, org_id, account_number).await?;
    // The same as for wrong credentials: whether an organization is known is nobody's business.
    let organization = found.ok_or_else(|| ApiError::unauthenticated(INCORRECT))?;
    Ok((organization, transaction))
}

/// An administrator or a service of a known organization, and the transaction to read it in: with one of its own for
/// every question, a request would wait for Postgres twice as often.
pub(super) struct OrgAdmin(pub(super) Organization, pub(super) PgTransaction<'static>);

impl FromRequestParts<AppState> for OrgAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &AppState) -> Result<Self, ApiError> {
        let credentials = credentials(&parts.headers, &api.psks, false)?;
        if !credentials.is_org_admin {
            return Err(ApiError::forbidden());
        }
        let (organization, transaction) = organization(api, &credentials.requested).await?;
        Ok(Self(organization, transaction))
    }
}

/// Somebody from an organization that need not be known yet.
pub(super) struct AnyIdentity;

impl FromRequestParts<AppState> for AnyIdentity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &AppState) -> Result<Self, ApiError> {
        credentials(&parts.headers, &api.psks, false).map(|_| Self)
    }
}

/// The organization of a request to an internal route. Its caller may ask for any: the authorizer has let it in.
pub(super) struct Impersonated(pub(super) Organization, pub(super) PgTransaction<'static>);

impl FromRequestParts<AppState> for Impersonated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &AppState) -> Result<Self, ApiError> {
        let credentials = credentials(&parts.headers, &api.psks, true)?;
        let (organization, transaction) = organization(api, &credentials.requested).await?;
        Ok(Self(organization, transaction))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue, StatusCode};
    use axum::response::IntoResponse;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn identity(value: &serde_json::Value) -> String {
        BASE64_STANDARD.encode(value.to_string())
    }

    fn read(headers: &[(&'static str, String)], fake: bool) -> Result<Credentials, StatusCode> {
        let psks: PreSharedKeys = r#"{"swatch": "a-long-key-of-swatch"}"#.parse().unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        credentials(&headers, &psks, fake).map_err(|failure| failure.into_response().status())
    }

    fn accepted(
        org_id: Option<&str>,
        account_number: Option<&str>,
        is_org_admin: bool,
    ) -> Result<Credentials, StatusCode> {
        Ok(Credentials {
            requested: RequestedOrganization {
                org_id: org_id.map(str::to_owned),
                account_number: account_number.map(str::to_owned),
            },
            is_org_admin,
        })
    }

    #[rstest]
    #[case::admin(json!({"identity": {"org_id": "1", "user": {"is_org_admin": true}}}), accepted(Some("1"), None, true))]
    #[case::not_admin(json!({"identity": {"org_id": "1", "user": {"is_org_admin": false}}}), accepted(Some("1"), None, false))]
    #[case::no_user(json!({"identity": {"org_id": "1"}}), accepted(Some("1"), None, false))]
    #[case::older(json!({"identity": {"account_number": "9", "user": {"is_org_admin": true}}}), accepted(None, Some("9"), true))]
    #[case::internal(json!({"identity": {"internal": {"org_id": "1"}}}), accepted(Some("1"), None, false))]
    #[case::nobody(json!({"identity": {}}), Err(StatusCode::UNAUTHORIZED))]
    #[case::blank(json!({"identity": {"org_id": " "}}), Err(StatusCode::UNAUTHORIZED))]
    #[case::no_identity(json!({}), Err(StatusCode::UNAUTHORIZED))]
    #[case::number(json!({"identity": {"org_id": 1}}), Err(StatusCode::UNAUTHORIZED))]
    #[case::list(json!([]), Err(StatusCode::UNAUTHORIZED))]
    fn identities(
        #[case] value: serde_json::Value,
        #[case] expected: Result<Credentials, StatusCode>,
    ) {
        assert_eq!(read(&[(IDENTITY, identity(&value))], false), expected);
    }

    #[rstest]
    #[case::good(&[(PSK, "a-long-key-of-swatch"), (ORG_ID, "1")], accepted(Some("1"), None, true))]
    #[case::with_account(&[(PSK, "a-long-key-of-swatch"), (ACCOUNT_NUMBER, "9")], accepted(None, Some("9"), true))]
    #[case::bad(&[(PSK, "a-long-key-of-swatcx"), (ORG_ID, "1")], Err(StatusCode::UNAUTHORIZED))]
    #[case::longer(&[(PSK, "a-long-key-of-swatch-"), (ORG_ID, "1")], Err(StatusCode::UNAUTHORIZED))]
    #[case::empty(&[(PSK, ""), (ORG_ID, "1")], Err(StatusCode::UNAUTHORIZED))]
    #[case::for_nobody(&[(PSK, "a-long-key-of-swatch")], Err(StatusCode::UNAUTHORIZED))]
    #[case::nothing(&[], Err(StatusCode::UNAUTHORIZED))]
    #[case::not_base64(&[(IDENTITY, "%%%")], Err(StatusCode::UNAUTHORIZED))]
    #[case::not_json(&[(IDENTITY, "bm90IGpzb24=")], Err(StatusCode::UNAUTHORIZED))]
    fn keys_and_damage(
        #[case] headers: &[(&'static str, &str)],
        #[case] expected: Result<Credentials, StatusCode>,
    ) {
        let headers: Vec<_> = headers
            .iter()
            .map(|&(name, value)| (name, value.to_owned()))
            .collect();
        assert_eq!(read(&headers, false), expected);
    }

    #[test]
    fn requests_count_for_the_key_or_the_organization_that_makes_them() {
        let psks: PreSharedKeys = r#"{"swatch": "a-long-key-of-swatch"}"#.parse().unwrap();
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            caller(&headers, &psks)
        };
        assert_eq!(
            of(PSK, "a-long-key-of-swatch"),
            Caller::Service("swatch".into())
        );
        assert_eq!(of(PSK, "a-long-key"), Caller::WrongKey);
        let acme = identity(&json!({"identity": {"org_id": "1", "user": {"is_org_admin": true}}}));
        assert_eq!(of(IDENTITY, &acme), Caller::Organization("1".into()));
        assert_eq!(of(IDENTITY, "%%%"), Caller::Unknown);
    }

    #[test]
    fn a_fake_identity_counts_for_internal_routes_only() {
        let fake = identity(&json!({"identity": {"org_id": "1"}}));
        let headers = [(FAKE_IDENTITY, fake)];
        assert_eq!(read(&headers, false), Err(StatusCode::UNAUTHORIZED));
        assert_eq!(read(&headers, true), accepted(Some("1"), None, false));
    }
}
