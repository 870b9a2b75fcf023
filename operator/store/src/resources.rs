//! Accounts, instances and images as lists that people page through.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::ImageAttributes;
use serde_json::Value;
use sqlx::PgConnection;

use super::images::image_attributes;
use super::{Doing, StoreError};

/// An enrolled account.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AccountRow {
    pub id: i64,
    /// The first enrolment of its organization, which stands for it
    pub user_id: i64,
    pub cloud_account_id: String,
    pub role_arn: Option<String>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// Events are recorded now
    pub enabled: bool,
    pub suspended: bool,
}

/// The accounts metered now: of one organization or of all, one of them or all; by id.
pub async fn accounts(
    connection: &mut PgConnection,
    org_id: Option<&str>,
    id: Option<i64>,
) -> Result<Vec<AccountRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, (select min(id) from enrolment as first where first.org_id = enrolment.org_id) as "user_id!",
                  cloud_account_id, role_arn, suspended,
                  enabled_at is not null and not suspended as "enabled!",
                  coalesce(enabled_at, changed_at) as "created_at!: jiff_sqlx::Timestamp",
                  changed_at as "changed_at: jiff_sqlx::Timestamp"
             from enrolment
            where released_at is null and ($1::text is null or org_id = $1) and ($2::bigint is null or id = $2)
            order by id"#,
        org_id,
        id,
    )
    .fetch_all(connection)
    .await
    .doing("listing accounts")?;
    let accounts = rows.into_iter().map(|row| AccountRow {
        id: row.id,
        user_id: row.user_id,
        cloud_account_id: row.cloud_account_id,
        role_arn: row.role_arn,
        created_at: row.created_at.to_jiff(),
        changed_at: row.changed_at.to_jiff(),
        enabled: row.enabled,
        suspended: row.suspended,
    });
    Ok(accounts.collect())
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct InstanceRow {
    pub id: i64,
    pub enrolment: i64,
    pub instance_id: String,
    pub region: String,
    pub image: Option<i64>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Slice {
    pub limit: u64,
    pub offset: u64,
}

impl Slice {
    /// The first entry.
    pub const ONE: Self = Self {
        limit: 1,
        offset: 0,
    };
}

/// The number of instances of an organization's accounts, and a slice of them by id: one of them or all; only those that
/// have run without interruption since a time, or all.
pub async fn instances(
    connection: &mut PgConnection,
    org_id: &str,
    id: Option<i64>,
    running_since: Option<Timestamp>,
    slice: Slice,
) -> Result<(u64, Vec<InstanceRow>), StoreError> {
    let since = running_since.map(ToSqlx::to_sqlx);
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
             from instance join enrolment on enrolment.id = enrolment_id
            where org_id = $1 and released_at is null and ($2::bigint is null or instance.id = $2)
              and ($3::timestamptz is null or exists (
                    select from run where run.instance = instance.id and ended_at is null and started_at <= $3))"#,
        org_id,
        id,
        &since as _,
    )
    .fetch_one(&mut *connection)
    .await
    .doing("counting instances")?;
    let rows = sqlx::query!(
        r#"select instance.id, enrolment_id, instance_id, region, image,
                  instance.created_at as "created_at: jiff_sqlx::Timestamp",
                  instance.updated_at as "updated_at: jiff_sqlx::Timestamp"
             from instance join enrolment on enrolment.id = enrolment_id
            where org_id = $1 and released_at is null and ($2::bigint is null or instance.id = $2)
              and ($3::timestamptz is null or exists (
                    select from run where run.instance = instance.id and ended_at is null and started_at <= $3))
            order by instance.id limit $4 offset $5"#,
        org_id,
        id,
        &since as _,
        slice.limit.cast_signed(),
        slice.offset.cast_signed(),
    )
    .fetch_all(connection)
    .await
    .doing("listing instances")?;
    let instances = rows.into_iter().map(|row| InstanceRow {
        id: row.id,
        enrolment: row.enrolment_id,
        instance_id: row.instance_id,
        region: row.region,
        image: row.image,
        created_at: row.created_at.to_jiff(),
        updated_at: row.updated_at.to_jiff(),
    });
    Ok((count.cast_unsigned(), instances.collect()))
}

/// An image, with what an inspection found.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ImageRow {
    pub id: i64,
    pub image_id: String,
    pub region: String,
    pub image: ImageAttributes,
    /// `pending`, `inspected` or `error`
    pub inspection: String,
    pub unavailable: bool,
    /// houndigrade's entry without the files it quotes
    pub facts: Option<Value>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The images that instances of an organization's accounts were launched from, one of them or all, by id.
pub async fn images(
    connection: &mut PgConnection,
    org_id: &str,
    id: Option<i64>,
) -> Result<Vec<ImageRow>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, image_id, region, rhel_tag, openshift_tag, name, owner_id, platform, marketplace, architecture,
                  inspection, unavailable, rhel_found, facts -> 'syspurpose' as syspurpose, facts - 'drives' - 'stats' as facts,
                  created_at as "created_at: jiff_sqlx::Timestamp", updated_at as "updated_at: jiff_sqlx::Timestamp"
             from image
            where ($2::bigint is null or id = $2)
              and id in (select image from instance join enrolment on enrolment.id = enrolment_id
                          where org_id = $1 and released_at is null)
            order by id"#,
        org_id,
        id,
    )
    .fetch_all(connection)
    .await
    .doing("listing images")?;
    let images = rows.into_iter().map(|row| ImageRow {
        id: row.id,
        image_id: row.image_id,
        region: row.region,
        inspection: row.inspection,
        unavailable: row.unavailable,
        facts: row.facts,
        image: image_attributes!(row),
        created_at: row.created_at.to_jiff(),
        updated_at: row.updated_at.to_jiff(),
    });
    Ok(images.collect())
}
