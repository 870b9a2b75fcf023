//! The instances of an organization.

use axum::Json;
use axum::extract::Path;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::Serialize;

use super::accounts::{CloudType, number};
use super::error::ApiError;
use super::identity::OrgAdmin;
use super::page::{ListParams, Page};
use cloudigrade_store::resources::{self, InstanceRow, Slice};

/// A virtual machine that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(super) struct Instance {
    cloud_account_id: i64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    instance_id: i64,
    machine_image_id: Option<i64>,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
    cloud_type: CloudType,
    content_object: AwsInstance,
}

/// Fields of an AWS instance.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
struct AwsInstance {
    aws_instance_id: i64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    created_at: Timestamp,
    ec2_instance_id: String,
    region: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    updated_at: Timestamp,
}

impl Instance {
    fn of(row: InstanceRow) -> Self {
        Self {
            cloud_account_id: row.account,
            created_at: row.created_at,
            instance_id: row.id,
            machine_image_id: row.image,
            updated_at: row.updated_at,
            cloud_type: CloudType::Aws,
            content_object: AwsInstance {
                aws_instance_id: row.id,
                created_at: row.created_at,
                ec2_instance_id: row.instance_id,
                region: row.region,
                updated_at: row.updated_at,
            },
        }
    }
}

pub(super) async fn list(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    params: ListParams,
) -> Result<Json<Page<Instance>>, ApiError> {
    let slice = Slice {
        limit: params.limit,
        offset: params.offset,
    };
    let since = running_since(&params)?;
    let (count, rows) =
        resources::instances(&mut transaction, &organization.org_id, None, since, slice).await?;
    Ok(params.page(count, rows.into_iter().map(Instance::of).collect()))
}

pub(super) async fn get(
    OrgAdmin(organization, mut transaction): OrgAdmin,
    Path(id): Path<String>,
    params: ListParams,
) -> Result<Json<Instance>, ApiError> {
    let id = number(&id)?;
    let since = running_since(&params)?;
    let org_id = &organization.org_id;
    let (_, rows) =
        resources::instances(&mut transaction, org_id, Some(id), since, Slice::ONE).await?;
    let row = rows.into_iter().next().ok_or_else(ApiError::not_found)?;
    Ok(Json(Instance::of(row)))
}

/// Only instances that have run without interruption since then.
fn running_since(params: &ListParams) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = params.parameter("running_since") else {
        return Ok(None);
    };
    match time(text) {
        Some(time) => Ok(Some(time)),
        None => Err(ApiError::parameters([(
            "running_since",
            "Enter a valid date/time.".to_owned(),
        )])),
    }
}

/// A time with or without an offset, or a day; UTC where it does not say. A plus in a query is a space when it arrives.
fn time(text: &str) -> Option<Timestamp> {
    let utc = |time: DateTime| {
        time.to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let with_plus = text
        .rsplit_once(' ')
        .filter(|(time, offset)| {
            time.contains(':') && offset.starts_with(|c: char| c.is_ascii_digit())
        })
        .map(|(time, offset)| format!("{time}+{offset}"));
    text.parse()
        .ok()
        .or_else(|| with_plus?.parse().ok())
        .or_else(|| utc(text.parse().ok()?))
        .or_else(|| {
            utc(text
                .parse::<Date>()
                .ok()?
                .to_datetime(jiff::civil::Time::midnight()))
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::day("2020-05-18", Some("2020-05-18T00:00:00Z"))]
    #[case::zulu("2020-05-18T13:51:59Z", Some("2020-05-18T13:51:59Z"))]
    #[case::offset("2020-05-18T15:51:59+02:00", Some("2020-05-18T13:51:59Z"))]
    #[case::offset_as_it_arrives(
        "2020-05-18 13:51:59.722367 00:00",
        Some("2020-05-18T13:51:59.722367Z")
    )]
    #[case::no_offset("2020-05-18 13:51:59", Some("2020-05-18T13:51:59Z"))]
    #[case::words("yesterday", None)]
    #[case::number("5", None)]
    fn times(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(time(text), expected.map(|text| text.parse().unwrap()));
    }
}
