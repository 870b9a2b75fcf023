//! What the status of a CloudAccount tells of its enrolment, and when there is something new to tell.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::{DiskFindings, ImageAttributes, classify};

use super::{Doing, Pool, StoreError};

/// What a CloudAccount's status tells of an enrolment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instances ever seen
    pub instances: i64,
    /// Instances that run now
    pub running: i64,
    /// Instances known from a log only
    pub unidentified_instances: i64,
    /// Images they were launched from
    pub images: i64,
    /// Images that the cloud has not described
    pub unidentified_images: i64,
    /// Images whose inspection is to come
    pub pending: i64,
    /// Images that count as RHEL
    pub rhel: i64,
    /// Images that could not be read
    pub error: i64,
    /// Time of the newest event
    pub last_event: Option<Timestamp>,
}

/// What the status of the CloudAccount tells.
///
/// # Errors
/// When Postgres does not answer.
pub async fn counts(pool: &Pool, id: i64) -> Result<Counts, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "instances!",
                  count(*) filter (where exists (
                      select from run where run.instance = instance.id and run.ended_at is null)) as "running!",
                  count(*) filter (where image is null) as "unidentified!",
                  max((select max(occurred_at) from instance_event where instance_event.instance = instance.id
                          and event_id not like 'discovery:%'))
                      as "last_event: jiff_sqlx::Timestamp"
             from instance where enrolment_id = $1"#,
        id
    )
    .fetch_one(pool)
    .await
    .doing("counting instances")?;
    let images = sqlx::query!(
        "select name, owner_id, platform, marketplace, architecture, rhel_tag, openshift_tag, rhel_found,
                described_at is null as \"unidentified!\", unavailable or inspection = 'error' as \"error!\"
           from image where id in (select image from instance where enrolment_id = $1)",
        id
    )
    .fetch_all(pool)
    .await
    .doing("counting images")?;
    let mut counts = Counts {
        instances: row.instances,
        running: row.running,
        unidentified_instances: row.unidentified,
        images: i64::try_from(images.len()).unwrap_or(i64::MAX),
        last_event: row.last_event.map(jiff_sqlx::Timestamp::to_jiff),
        ..Counts::default()
    };
    for row in images {
        let verdict = classify(&ImageAttributes {
            rhel_tag: row.rhel_tag,
            openshift_tag: row.openshift_tag,
            name: row.name,
            owner_id: row.owner_id,
            platform: Some(row.platform),
            marketplace: row.marketplace,
            architecture: row.architecture,
            inspected: row.rhel_found.map(|rhel| DiskFindings {
                rhel,
                ..DiskFindings::default()
            }),
        });
        counts.unidentified_images += i64::from(row.unidentified);
        counts.rhel += i64::from(verdict.counts());
        counts.error += i64::from(verdict.rhel.is_none() && row.error);
        counts.pending += i64::from(verdict.rhel.is_none() && !row.error);
    }
    Ok(counts)
}

/// An enrolment of which something has changed that a status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Row id
    pub id: i64,
    /// Namespace of the CloudAccount
    pub namespace: String,
    /// Its name
    pub name: String,
    /// When
    pub at: Timestamp,
}

/// What has changed since then.
///
/// # Errors
/// When Postgres does not answer.
pub async fn changed_since(pool: &Pool, since: Timestamp) -> Result<Vec<Changed>, StoreError> {
    sqlx::query!(
        r#"select id, namespace, name, changed_at as "changed_at: jiff_sqlx::Timestamp"
             from enrolment where released_at is null and changed_at > $1"#,
        since.to_sqlx() as _,
    )
    .map(|row| Changed {
        id: row.id,
        namespace: row.namespace,
        name: row.name,
        at: row.changed_at.to_jiff(),
    })
    .fetch_all(pool)
    .await
    .doing("reading which accounts have changed")
}
