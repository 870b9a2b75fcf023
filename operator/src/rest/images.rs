//! The images that an organization's instances were launched from.

use axum::Json;
use axum::extract::Path;
use jiff::Timestamp;
use metering::image::{self, ClassificationReason};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::accounts::{CloudType, number};
use super::error::ApiError;
use super::identity::OrgAdmin;
use super::page::{ListParams, Page};
use cloudigrade_store::resources::{self, ImageRow};

/// A machine image, and whether it counts as RHEL.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct MachineImage {
    architecture: Option<String>,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    image_id: i64,
    /// Findings of the inspection, as JSON text
    inspection_json: Option<String>,
    is_encrypted: bool,
    name: Option<String>,
    openshift: bool,
    openshift_detected: bool,
    rhel: bool,
    rhel_detected: bool,
    rhel_detected_by_tag: bool,
    rhel_enabled_repos_found: bool,
    rhel_product_certs_found: bool,
    rhel_release_files_found: bool,
    rhel_signed_packages_found: bool,
    rhel_version: Option<String>,
    status: Status,
    syspurpose: Option<Value>,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
    cloud_type: CloudType,
    content_object: AwsMachineImage,
}

/// Fields of an AMI.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
struct AwsMachineImage {
    aws_image_id: i64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    ec2_ami_id: String,
    id: i64,
    is_cloud_access: bool,
    is_marketplace: bool,
    owner_aws_account_id: Option<String>,
    platform: String,
    platform_details: Option<String>,
    product_codes: Option<Vec<String>>,
    region: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
    usage_operation: Option<String>,
}

/// Inspection state of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code)] // clients know all of them; two are steps that don't exist here
pub(super) enum Status {
    Pending,
    Preparing,
    Inspecting,
    Inspected,
    Error,
    Unavailable,
}

impl Status {
    const ALL: [(&str, Self); 6] = [
        ("pending", Self::Pending),
        ("preparing", Self::Preparing),
        ("inspecting", Self::Inspecting),
        ("inspected", Self::Inspected),
        ("error", Self::Error),
        ("unavailable", Self::Unavailable),
    ];

    fn of(row: &ImageRow, reasons: &[ClassificationReason]) -> Self {
        match row.inspection.as_str() {
            "inspected" => Self::Inspected,
            _ if row.unavailable => Self::Unavailable,
            "error" => Self::Error,
            // Decided by something else: there is nothing to inspect.
            _ if !reasons.is_empty() => Self::Inspected,
            _ => Self::Pending,
        }
    }
}

impl MachineImage {
    fn of(row: ImageRow) -> Self {
        let verdict = image::classify(&row.image);
        let status = Status::of(&row, &verdict.reasons);
        let facts = row.facts.as_ref();
        let fact = |name: &str| facts.and_then(|facts| facts.get(name));
        let found = |name: &str| fact(name).and_then(Value::as_bool).unwrap_or(false);
        let rhel = verdict.counts();
        let image = row.image;
        Self {
            is_encrypted: false,
            openshift: image.openshift_tag,
            openshift_detected: image.openshift_tag,
            rhel,
            rhel_detected: rhel,
            rhel_detected_by_tag: image.rhel_tag,
            rhel_enabled_repos_found: found("rhel_enabled_repos_found"),
            rhel_product_certs_found: found("rhel_product_certs_found"),
            rhel_release_files_found: found("rhel_release_files_found"),
            rhel_signed_packages_found: found("rhel_signed_packages_found"),
            rhel_version: fact("rhel_version")
                .and_then(Value::as_str)
                .map(str::to_owned),
            syspurpose: fact("syspurpose").filter(|value| !value.is_null()).cloned(),
            inspection_json: facts.map(Value::to_string),
            status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            image_id: row.id,
            cloud_type: CloudType::Aws,
            content_object: AwsMachineImage {
                aws_image_id: row.id,
                created_at: row.created_at,
                ec2_ami_id: row.image_id,
                id: row.id,
                is_cloud_access: image.is_cloud_access(),
                is_marketplace: image.is_marketplace(),
                owner_aws_account_id: image.owner_id,
                platform: image.platform.unwrap_or_else(|| "none".into()),
                platform_details: None,
                product_codes: None,
                region: row.region,
                updated_at: row.updated_at,
                usage_operation: None,
            },
            architecture: image.architecture,
            name: image.name,
        }
    }
}

/// Filters of images.
struct Filter {
    architecture: Option<String>,
    status: Option<Status>,
}

impl Filter {
    fn of(params: &ListParams) -> Result<Self, ApiError> {
        let status = match params.parameter("status") {
            None => None,
            Some(word) => match Status::ALL.iter().find(|(name, _)| *name == word) {
                Some((_, status)) => Some(*status),
                None => {
                    let message = format!(
                        "Select a valid choice. {word} is not one of the available choices."
                    );
                    return Err(ApiError::parameters([("status", message)]));
                }
            },
        };
        Ok(Self {
            architecture: params.parameter("architecture").map(str::to_owned),
            status,
        })
    }

    fn takes(&self, image: &MachineImage) -> bool {
        self.status.is_none_or(|status| image.status == status)
            && (self.architecture.is_none() || image.architecture == self.architecture)
    }
}

pub(super) async fn list(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    params: ListParams,
) -> Result<Json<Page<MachineImage>>, ApiError> {
    let filter = Filter::of(&params)?;
    let rows = resources::images(&mut transaction, &organization.org_id, None).await?;
    let images = rows.into_iter().map(MachineImage::of);
    Ok(params.paginate(images.filter(|image| filter.takes(image)).collect()))
}

pub(super) async fn get(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    Path(id): Path<String>,
    params: ListParams,
) -> Result<Json<MachineImage>, ApiError> {
    let (id, filter) = (number(&id)?, Filter::of(&params)?);
    let rows = resources::images(&mut transaction, &organization.org_id, Some(id)).await?;
    let image = rows.into_iter().next().map(MachineImage::of);
    let image = image.filter(|image| filter.takes(image));
    Ok(Json(image.ok_or_else(ApiError::not_found)?))
}
