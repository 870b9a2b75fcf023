//! Numbers in the status of a CloudAccount, and accounts whose numbers have changed.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::classify;

use super::images::image_attributes;
use super::{Doing, Pool, StoreError};

/// Numbers of an enrolment in the status of its CloudAccount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
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

/// Counts instances and images of an enrolment.
pub async fn counts(pool: &Pool, id: i64) -> Result<AccountCounts, StoreError> {
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
        "select name, owner_id, platform, marketplace, architecture, rhel_tag, openshift_tag, rhel_found, facts -> 'syspurpose' as syspurpose,
                described_at is null as \"unidentified!\", unavailable or inspection = 'error' as \"error!\"
           from image where id in (select image from instance where enrolment_id = $1)",
        id
    )
    .fetch_all(pool)
    .await
    .doing("counting images")?;
    let mut counts = AccountCounts {
        instances: row.instances,
        running: row.running,
        unidentified_instances: row.unidentified,
        images: i64::try_from(images.len()).unwrap_or(i64::MAX),
        last_event: row.last_event.map(jiff_sqlx::Timestamp::to_jiff),
        ..AccountCounts::default()
    };
    for row in images {
        let classification = classify(&image_attributes!(row));
        counts.unidentified_images += i64::from(row.unidentified);
        counts.rhel += i64::from(classification.counts());
        counts.error += i64::from(classification.rhel.is_none() && row.error);
        counts.pending += i64::from(classification.rhel.is_none() && !row.error);
    }
    Ok(counts)
}

/// An enrolment of which something has changed that a status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAccount {
    /// Row id
    pub id: i64,
    /// Namespace of the CloudAccount
    pub namespace: String,
    /// Its name
    pub name: String,
    /// When
    pub at: Timestamp,
}

/// Returns the enrolments that have changed since then.
pub async fn changed_since(
    pool: &Pool,
    since: Timestamp,
) -> Result<Vec<ChangedAccount>, StoreError> {
    sqlx::query!(
        r#"select id, namespace, name, changed_at as "changed_at: jiff_sqlx::Timestamp"
             from enrolment where released_at is null and changed_at > $1"#,
        since.to_sqlx() as _,
    )
    .map(|row| ChangedAccount {
        id: row.id,
        namespace: row.namespace,
        name: row.name,
        at: row.changed_at.to_jiff(),
    })
    .fetch_all(pool)
    .await
    .doing("reading which accounts have changed")
}
