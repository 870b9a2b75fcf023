//! The cloud accounts of an organization.

use axum::Json;
use axum::extract::Path;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::error::ApiError;
use super::identity::OrgAdmin;
use super::page::{ListParams, Page};
use cloudigrade_store::resources::{self, AccountRow};

/// A cloud account that is metered.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct CloudAccount {
    account_id: i64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
    user_id: i64,
    content_object: AwsCloudAccount,
    cloud_type: CloudType,
    account_arn: Option<String>,
    aws_account_id: String,
    is_enabled: bool,
    platform_authentication_id: Option<i64>,
    platform_application_id: Option<i64>,
    platform_application_is_paused: bool,
    platform_source_id: Option<i64>,
}

/// Fields of an AWS account.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
struct AwsCloudAccount {
    account_arn: Option<String>,
    aws_account_id: String,
    aws_cloud_account_id: i64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
}

/// A kind of cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CloudType {
    Aws,
}

impl CloudAccount {
    pub(super) fn of(row: AccountRow) -> Self {
        Self {
            account_id: row.id,
            created_at: row.created_at,
            updated_at: row.changed_at,
            user_id: row.user_id,
            content_object: AwsCloudAccount {
                account_arn: Some(row.role_arn.clone()),
                aws_account_id: row.cloud_account_id.clone(),
                aws_cloud_account_id: row.id,
                created_at: row.created_at,
                updated_at: row.changed_at,
            },
            cloud_type: CloudType::Aws,
            account_arn: Some(row.role_arn),
            aws_account_id: row.cloud_account_id,
            is_enabled: row.enabled,
            platform_authentication_id: None,
            platform_application_id: None,
            platform_application_is_paused: row.suspended,
            platform_source_id: None,
        }
    }
}

pub(super) async fn list(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    params: ListParams,
) -> Result<Json<Page<CloudAccount>>, ApiError> {
    let org_id = Some(organization.org_id.as_str());
    let rows = resources::accounts(&mut transaction, org_id, None).await?;
    Ok(params.paginate(rows.into_iter().map(CloudAccount::of).collect()))
}

pub(super) async fn get(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    Path(id): Path<String>,
) -> Result<Json<CloudAccount>, ApiError> {
    let id = number(&id)?;
    let org_id = Some(organization.org_id.as_str());
    let rows = resources::accounts(&mut transaction, org_id, Some(id)).await?;
    let row = rows.into_iter().next().ok_or_else(ApiError::not_found)?;
    Ok(Json(CloudAccount::of(row)))
}

/// An id in a path. One that is no number is nobody's.
pub(super) fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| ApiError::not_found())
}
