//! Numbers in the status of a CloudAccount, and accounts whose numbers have changed.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::classify;

use super::accounts::AccountKey;
use super::images::image_attributes;
use super::{Doing, Pool, StoreError};

/// Numbers of an account in the status of its CloudAccount.
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

/// Counts instances and images of an account, as far as its holder's organization may see them (view `visible_instance`).
pub async fn counts(pool: &Pool, account: AccountKey) -> Result<AccountCounts, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "instances!",
                  count(*) filter (where exists (
                      select from run join metered_period using (cloud_account)
                       where run.instance = visible.id and ended_at = 'infinity' and upper_inf(span))) as "running!",
                  count(*) filter (where image is null) as "unidentified!",
                  max((select max(occurred_at) from instance_event where instance_event.instance = visible.id
                          and event_id not like 'discovery:%'))
                      as "last_event: jiff_sqlx::Timestamp"
             from visible_instance as visible where cloud_account = $1"#,
        account.0
    )
    .fetch_one(pool)
    .await
    .doing("counting instances")?;
    let images = sqlx::query!(
        "select name, owner_id, platform, marketplace, architecture, rhel_tag, openshift_tag, rhel_found, facts -> 'syspurpose' as syspurpose,
                described_at is null as \"unidentified!\", unavailable or inspection = 'error' as \"error!\"
           from image where id in (select image from visible_instance where cloud_account = $1)",
        account.0
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

/// An account of which something has changed that a status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedAccount {
    /// Row id
    pub account: AccountKey,
    /// Namespace of the CloudAccount
    pub namespace: String,
    /// Its name
    pub name: String,
    /// When
    pub at: Timestamp,
}

/// Returns the accounts that have changed since then.
pub async fn changed_since(
    pool: &Pool,
    since: Timestamp,
) -> Result<Vec<ChangedAccount>, StoreError> {
    sqlx::query!(
        r#"select id, namespace, name, max(at) as "at!: jiff_sqlx::Timestamp"
             from (select id, changed_at as at from cloud_account where changed_at > $1
                    union all
                   select cloud_account, verdicts_changed_at
                     from organization join holder on holder.organization = organization.id
                    where verdicts_changed_at > $1) as changed
             join holder on holder.cloud_account = changed.id
            group by id, namespace, name"#,
        &since.to_sqlx() as _,
    )
    .map(|row| ChangedAccount {
        account: AccountKey(row.id.unwrap_or_default()),
        namespace: row.namespace,
        name: row.name,
        at: row.at.to_jiff(),
    })
    .fetch_all(pool)
    .await
    .doing("reading which accounts have changed")
}
