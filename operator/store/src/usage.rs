//! The facts that usage is derived from: images and runs of an organization.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::ImageAttributes;
use metering::usage::Period;
use sqlx::{PgConnection, PgExecutor};

use super::images::image_attributes;
use super::{Doing, StoreError};

/// An image of an organization's instances, and the distribution an inspection found on it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownImage {
    /// Attributes that decide whether it counts as RHEL.
    pub image: ImageAttributes,
    /// `ID` of its os-release, for example `rhel`; `None` until inspected, or if the disk did not tell.
    pub distribution: Option<String>,
}

/// A run and the image of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRun {
    /// Key of the image, `None` while it is not known which.
    pub image: Option<i64>,
    /// First moment at which the instance runs.
    pub start: Timestamp,
    /// First moment at which it does not; `None` while it runs.
    pub end: Option<Timestamp>,
}

/// Every organization that has, or had, an account metered, sorted.
pub async fn organizations(executor: impl PgExecutor<'_>) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!("select org_id from organization order by org_id")
        .fetch_all(executor)
        .await
        .doing("listing organizations")
}

/// The images that instances of an organization were launched from, by their key.
pub async fn images(
    connection: &mut PgConnection,
    org_id: &str,
) -> Result<HashMap<i64, KnownImage>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, rhel_tag, openshift_tag, name, owner_id, platform, marketplace, architecture,
                  rhel_found, facts -> 'syspurpose' as syspurpose, distribution
             from image
            where id in (select image from instance
                          where cloud_account in (select cloud_account from metered_period
                                                   where organization = (select id from organization where org_id = $1)))"#,
        org_id,
    )
    .fetch_all(connection)
    .await
    .doing("reading the images of an organization")?;
    let images = rows.into_iter().map(|row| {
        (
            row.id,
            KnownImage {
                image: image_attributes!(row),
                distribution: row.distribution,
            },
        )
    });
    Ok(images.collect())
}

/// The runs of an organization that have a moment in `period`, in no order, each clipped to the time in which its account is metered for
/// the organization. One run may have a part in each of several metered periods.
pub async fn runs(
    connection: &mut PgConnection,
    org_id: &str,
    period: Period,
) -> Result<Vec<ImageRun>, StoreError> {
    let rows = sqlx::query!(
        r#"select instance.image, run.started_at as "start!: jiff_sqlx::Timestamp", run.ended_at as "end: jiff_sqlx::Timestamp"
             from clipped_run as run
             join organization on organization.id = run.organization
             join instance on instance.id = run.instance
            where org_id = $1 and period && tstzrange($2, $3)
              and stored_start < $3 and stored_end > $2"#,
        org_id,
        &period.start.to_sqlx() as _,
        &period.end.to_sqlx() as _,
    )
    .fetch_all(connection)
    .await
    .doing("reading the runs of an organization")?;
    let runs = rows.into_iter().map(|row| ImageRun {
        image: row.image,
        start: row.start.to_jiff(),
        end: row.end.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(runs.collect())
}

/// A run with all that is known of its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailedRun {
    /// The cloud's id of the account
    pub account_id: String,
    /// The cloud's id of the instance
    pub instance_id: String,
    /// Where it runs
    pub region: String,
    /// Key of its image, `None` while it is not known which
    pub image: Option<i64>,
    /// The cloud's id of the image
    pub image_id: Option<String>,
    /// Type of the instance during the run, if known
    pub instance_type: Option<String>,
    /// vCPUs of that type, if described
    pub vcpus: Option<i32>,
    /// Memory of that type in MiB, if described
    pub memory_mib: Option<i64>,
    /// First moment at which the instance runs
    pub start: Timestamp,
    /// First moment at which it does not; `None` while it runs
    pub end: Option<Timestamp>,
}

/// The same runs as [`runs`], with all that is known of their instances.
pub async fn detailed_runs(
    connection: &mut PgConnection,
    org_id: &str,
    period: Period,
) -> Result<Vec<DetailedRun>, StoreError> {
    let rows = sqlx::query!(
        r#"select account_id, instance.instance_id, instance.region, instance.image, image.image_id as "image_id?",
                  run.instance_type, vcpus as "vcpus?", memory_mib as "memory_mib?",
                  run.started_at as "start!: jiff_sqlx::Timestamp", run.ended_at as "end: jiff_sqlx::Timestamp"
             from clipped_run as run
             join organization on organization.id = run.organization
             join cloud_account on cloud_account.id = run.cloud_account
             join instance on instance.id = run.instance
             left join image on image.id = instance.image
             left join instance_type on instance_type.cloud = cloud_account.cloud and instance_type.name = run.instance_type
            where org_id = $1 and period && tstzrange($2, $3)
              and stored_start < $3 and stored_end > $2"#,
        org_id,
        &period.start.to_sqlx() as _,
        &period.end.to_sqlx() as _,
    )
    .fetch_all(connection)
    .await
    .doing("reading the runs of an organization")?;
    let runs = rows.into_iter().map(|row| DetailedRun {
        account_id: row.account_id,
        instance_id: row.instance_id,
        region: row.region,
        image: row.image,
        image_id: row.image_id,
        instance_type: row.instance_type,
        vcpus: row.vcpus,
        memory_mib: row.memory_mib,
        start: row.start.to_jiff(),
        end: row.end.map(jiff_sqlx::Timestamp::to_jiff),
    });
    Ok(runs.collect())
}

/// The evidence of RHEL that inspections found on the images of an organization, by their key.
pub async fn evidence(
    connection: &mut PgConnection,
    org_id: &str,
) -> Result<HashMap<i64, serde_json::Value>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, facts -> 'evidence' as "evidence!" from image
            where facts -> 'evidence' is not null
              and id in (select image from instance
                          where cloud_account in (select cloud_account from metered_period
                                                   where organization = (select id from organization where org_id = $1)))"#,
        org_id,
    )
    .fetch_all(connection)
    .await
    .doing("reading what inspections found")?;
    Ok(rows.into_iter().map(|row| (row.id, row.evidence)).collect())
}
