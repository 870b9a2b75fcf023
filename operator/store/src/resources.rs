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
    /// Its organization
    pub user_id: i64,
    pub cloud_account_id: String,
    pub role_arn: String,
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
        r#"select account.id, organization.id as user_id, account_id, role_arn, suspended, period.id is not null as "enabled!",
                  coalesce(lower(span), changed_at) as "created_at!: jiff_sqlx::Timestamp",
                  changed_at as "changed_at: jiff_sqlx::Timestamp"
             from holder
             join cloud_account as account on account.id = holder.cloud_account
             join organization on organization.id = holder.organization
             left join metered_period as period on period.cloud_account = account.id and upper_inf(span)
            where ($1::text is null or org_id = $1) and ($2::bigint is null or account.id = $2)
            order by account.id"#,
        org_id,
        id,
    )
    .fetch_all(connection)
    .await
    .doing("listing accounts")?;
    let accounts = rows.into_iter().map(|row| AccountRow {
        id: row.id.into(),
        user_id: row.user_id.into(),
        cloud_account_id: row.account_id,
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
    pub account: i64,
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
             from visible_instance as instance join organization on organization.id = instance.organization
            where org_id = $1 and ($2::bigint is null or instance.id = $2)
              and ($3::timestamptz is null or exists (
                    select from run where run.instance = instance.id and ended_at = 'infinity' and started_at <= $3))"#,
        org_id,
        id,
        &since as _,
    )
    .fetch_one(&mut *connection)
    .await
    .doing("counting instances")?;
    let rows = sqlx::query!(
        r#"select instance.id as "id!", cloud_account as "account!", instance_id as "instance_id!", region as "region!", image,
                  instance.created_at as "created_at!: jiff_sqlx::Timestamp",
                  instance.updated_at as "updated_at!: jiff_sqlx::Timestamp"
             from visible_instance as instance join organization on organization.id = instance.organization
            where org_id = $1 and ($2::bigint is null or instance.id = $2)
              and ($3::timestamptz is null or exists (
                    select from run where run.instance = instance.id and ended_at = 'infinity' and started_at <= $3))
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
        account: row.account.into(),
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
              and id in (select image from visible_instance as instance
                           join organization on organization.id = instance.organization
                          where org_id = $1)
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
