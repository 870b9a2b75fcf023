//! What usage is derived from, and the days of it that are kept.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use metering::image::{DiskFindings, ImageAttributes, Syspurpose};
use metering::usage::{Count, Period};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};

use super::{Doing, StoreError};

/// An image of an organization's instances, and the distribution an inspection found on it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownImage {
    /// What the rules for RHEL go by.
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

/// Every organization that ever had an account enrolled, sorted.
///
/// # Errors
/// When the statement fails.
pub async fn organizations(executor: impl PgExecutor<'_>) -> Result<Vec<String>, StoreError> {
    sqlx::query_scalar!("select distinct org_id from enrolment order by org_id")
        .fetch_all(executor)
        .await
        .doing("listing organizations")
}

/// The images that instances of an organization were launched from, by their key.
///
/// # Errors
/// When the statement fails.
pub async fn images(
    connection: &mut PgConnection,
    org_id: &str,
) -> Result<HashMap<i64, KnownImage>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, rhel_tag, openshift_tag, name, owner_id, platform, marketplace, architecture,
                  rhel_found, facts -> 'syspurpose' as syspurpose, distribution
             from image
            where id in (select image from instance
                          where enrolment_id in (select id from enrolment where org_id = $1))"#,
        org_id,
    )
    .fetch_all(connection)
    .await
    .doing("reading the images of an organization")?;
    let images = rows.into_iter().map(|row| {
        let syspurpose = row
            .syspurpose
            .as_ref()
            .map(Syspurpose::from_json)
            .unwrap_or_default();
        let image = ImageAttributes {
            rhel_tag: row.rhel_tag,
            openshift_tag: row.openshift_tag,
            name: row.name,
            owner_id: row.owner_id,
            platform: Some(row.platform),
            marketplace: row.marketplace,
            inspected: row.rhel_found.map(|rhel| DiskFindings { rhel, syspurpose }),
            architecture: row.architecture,
        };
        (
            row.id,
            KnownImage {
                image,
                distribution: row.distribution,
            },
        )
    });
    Ok(images.collect())
}

/// The runs of an organization that have a moment in `period`, in no order.
///
/// # Errors
/// When the statement fails.
pub async fn runs(
    connection: &mut PgConnection,
    org_id: &str,
    period: Period,
) -> Result<Vec<ImageRun>, StoreError> {
    let rows = sqlx::query!(
        r#"select instance.image,
                  run.started_at as "start: jiff_sqlx::Timestamp", run.ended_at as "end: jiff_sqlx::Timestamp"
             from enrolment
             join instance on instance.enrolment_id = enrolment.id
             join run on run.instance = instance.id
            where enrolment.org_id = $1
              and run.started_at < $3 and (run.ended_at is null or run.ended_at > $2)"#,
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

/// The runs of an organization that have a moment in `period`, in no order, with all that is known of their instances.
///
/// # Errors
/// When the statement fails.
pub async fn detailed_runs(
    connection: &mut PgConnection,
    org_id: &str,
    period: Period,
) -> Result<Vec<DetailedRun>, StoreError> {
    let rows = sqlx::query!(
        r#"select cloud_account_id, instance.instance_id, instance.region, instance.image, image.image_id as "image_id?",
                  run.instance_type, vcpus as "vcpus?", memory_mib as "memory_mib?",
                  run.started_at as "start: jiff_sqlx::Timestamp", run.ended_at as "end: jiff_sqlx::Timestamp"
             from enrolment
             join instance on instance.enrolment_id = enrolment.id
             join run on run.instance = instance.id
             left join image on image.id = instance.image
             left join instance_type on instance_type.cloud = enrolment.cloud and instance_type.name = run.instance_type
            where enrolment.org_id = $1
              and run.started_at < $3 and (run.ended_at is null or run.ended_at > $2)"#,
        org_id,
        &period.start.to_sqlx() as _,
        &period.end.to_sqlx() as _,
    )
    .fetch_all(connection)
    .await
    .doing("reading the runs of an organization")?;
    let runs = rows.into_iter().map(|row| DetailedRun {
        account_id: row.cloud_account_id,
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
///
/// # Errors
/// When the statement fails.
pub async fn evidence(
    connection: &mut PgConnection,
    org_id: &str,
) -> Result<HashMap<i64, serde_json::Value>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, facts -> 'evidence' as "evidence!" from image
            where facts -> 'evidence' is not null
              and id in (select image from instance
                          where enrolment_id in (select id from enrolment where org_id = $1))"#,
        org_id,
    )
    .fetch_all(connection)
    .await
    .doing("reading what inspections found")?;
    Ok(rows.into_iter().map(|row| (row.id, row.evidence)).collect())
}

/// What a day counts, in JSON: an array of [`Count`]. It is kept and answered with as it is.
#[derive(Clone, Debug)]
pub struct Counts(Arc<RawValue>);

impl Counts {
    /// Writes what a day counts.
    ///
    /// # Errors
    /// None that is known: there is a JSON for every count.
    pub fn of(counts: &[Count]) -> Result<Self, StoreError> {
        let json = to_raw_value(counts)
            .map_err(|error| sqlx::Error::Encode(error.into()))
            .doing("writing what a day counts")?;
        Ok(Self(json.into()))
    }

    /// Reads what a day counts.
    ///
    /// # Errors
    /// When it is of another form than [`Counts::of`] writes.
    pub fn read(&self) -> Result<Vec<Count>, StoreError> {
        serde_json::from_str(self.0.get())
            .map_err(|error| sqlx::Error::Decode(error.into()))
            .doing("reading what a day counts")
    }

    /// Size of it.
    pub fn bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The days of an organization from `first` to `last` that are kept.
///
/// # Errors
/// When the statement fails.
pub async fn kept(
    connection: &mut PgConnection,
    org_id: &str,
    first: Date,
    last: Date,
) -> Result<HashMap<Date, Counts>, StoreError> {
    let rows = sqlx::query!(
        r#"select day as "day: jiff_sqlx::Date", maximum_counts as "counts: Json<Box<RawValue>>"
             from usage_day where org_id = $1 and day between $2 and $3"#,
        org_id,
        &first.to_sqlx() as _,
        &last.to_sqlx() as _,
    )
    .fetch_all(connection)
    .await
    .doing("reading the usage that is kept")?;
    Ok(rows
        .into_iter()
        .map(|row| (row.day.to_jiff(), Counts(row.counts.0.into())))
        .collect())
}

/// Keeps days of an organization. They must be derived from what was read after [`super::usage_days::hold`] in the
/// same transaction: otherwise a change in between would not drop them.
///
/// # Errors
/// When the statement fails.
pub async fn keep(
    transaction: &mut PgConnection,
    org_id: &str,
    days: &[(Date, Counts)],
) -> Result<(), StoreError> {
    let (days, counts): (Vec<_>, Vec<_>) = days
        .iter()
        .map(|(day, counts)| (day.to_sqlx(), counts.0.get()))
        .unzip();
    sqlx::query!(
        "insert into usage_day (org_id, day, maximum_counts)
         select $1, day, counts::json from unnest($2::date[], $3::text[]) as kept (day, counts)
         on conflict (org_id, day) do update set maximum_counts = excluded.maximum_counts",
        org_id,
        &days as _,
        &counts as _,
    )
    .execute(transaction)
    .await
    .doing("keeping usage")?;
    Ok(())
}
