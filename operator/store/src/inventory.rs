//! Instances and images that the cloud has not described yet, and images to inspect.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image;

use super::accounts::AccountKey;
use super::images::image_attributes;
use super::{Doing, Pool, StoreError};

/// Lookups that found nothing before a thing counts as gone: with waits that double, about an hour.
pub const MOST_LOOKUPS: i32 = 7;
/// Most things looked up in one round.
const ROUND: i64 = 1000;

/// Things of one account and region that are due to be described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The account that they are looked up for
    pub key: AccountKey,
    /// Namespace of its CloudAccount
    pub namespace: String,
    /// Name of its CloudAccount
    pub account: String,
    /// The cloud's id of the account
    pub account_id: String,
    /// Where they are
    pub region: String,
    /// The cloud's ids
    pub ids: Vec<String>,
}

/// An image that nothing but its disk can tell about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uninspected {
    /// `ami-…`
    pub image_id: String,
    /// Where it is
    pub region: String,
    /// Namespace and name of the CloudAccounts that use it, the oldest first
    pub accounts: Vec<(String, String)>,
}

/// Instances without an image, of accounts that are metered, due at `now`.
pub async fn due_instances(database: &Pool, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    sqlx::query_as!(
        Due,
        r#"select cloud_account as "key: AccountKey", namespace, name as account, account_id, region, array_agg(instance_id) as "ids!"
             from (select cloud_account, region, instance_id from instance
                    where image is null and next_lookup_at <= $1 and lookups < $2
                    order by next_lookup_at limit $3) as due
             join holder using (cloud_account)
             join cloud_account on cloud_account.id = cloud_account
            where not suspended
            group by cloud_account, namespace, name, account_id, region"#,
        &now.to_sqlx() as _,
        MOST_LOOKUPS,
        ROUND,
    )
    .fetch_all(database)
    .await
    .doing("listing instances to look up")
}

/// Images not described yet, each with one of the metered accounts that use it, due at `now`. After a lookup that found
/// nothing another account has its turn: the image can be shared with one of them only.
pub async fn due_images(database: &Pool, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    sqlx::query_as!(
        Due,
        r#"select key as "key!: AccountKey", namespace as "namespace!", account as "account!",
                  account_id as "account_id!", region as "region!", array_agg(image_id) as "ids!"
             from (select distinct on (due.id) holder.cloud_account as key, namespace, holder.name as account, account_id,
                          due.region, image_id
                     from (select id, image_id, region, lookups from image
                            where described_at is null and not unavailable and next_lookup_at <= $1
                            order by next_lookup_at limit $2) as due
                     join instance on instance.image = due.id
                     join holder on holder.cloud_account = instance.cloud_account
                     join cloud_account on cloud_account.id = holder.cloud_account
                    where not suspended
                    order by due.id, hashint8(holder.cloud_account + due.lookups)) as chosen
            group by key, namespace, account, account_id, region"#,
        &now.to_sqlx() as _,
        ROUND,
    )
    .fetch_all(database)
    .await
    .doing("listing images to look up")
}

/// How many instances and how many images of metered accounts are known from logs only.
pub async fn unidentified(database: &Pool) -> Result<(i64, i64), StoreError> {
    sqlx::query!(
        r#"select (select count(*) from instance join holder using (cloud_account) where image is null) as "instances!",
                  (select count(*) from image
                    where described_at is null
                      and exists (select from instance join holder using (cloud_account)
                                   where instance.image = image.id)) as "images!""#,
    )
    .map(|row| (row.instances, row.images))
    .fetch_one(database)
    .await
    .doing("counting what nobody has described")
}

/// These instances were not found: asked for again later, in the end not any more.
pub async fn missed_instances(
    database: &Pool,
    account: AccountKey,
    ids: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update instance set lookups = lookups + 1, next_lookup_at = $3::timestamptz + interval '30 seconds' * 2 ^ lookups
          where cloud_account = $1 and instance_id = any($2)",
        account.0,
        ids,
        &now.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing("putting off instances that were not found")?;
    Ok(())
}

/// Postpones images that were not found; after the last try they are unavailable.
pub async fn missed_images(
    database: &Pool,
    ids: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update image set lookups = lookups + 1, next_lookup_at = $2::timestamptz + interval '30 seconds' * 2 ^ lookups,
                unavailable = lookups + 1 >= $3
          where cloud = 'aws' and image_id = any($1)",
        ids,
        &now.to_sqlx() as _,
        MOST_LOOKUPS,
    )
    .execute(database)
    .await
    .doing("putting off images that were not found")?;
    Ok(())
}

/// Nothing was learned about these instances and images: not before `until`.
pub async fn put_off(database: &Pool, due: &Due, until: Timestamp) -> Result<(), StoreError> {
    let doing = "putting off a lookup";
    sqlx::query!(
        "update instance set next_lookup_at = $3 where cloud_account = $1 and instance_id = any($2) and image is null",
        due.key.0,
        &due.ids,
        &until.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing(doing)?;
    sqlx::query!(
        "update image set next_lookup_at = $2 where cloud = 'aws' and image_id = any($1) and described_at is null",
        &due.ids,
        &until.to_sqlx() as _,
    )
    .execute(database)
    .await
    .doing(doing)?;
    Ok(())
}

/// Described images, used by a metered account, that were never inspected and that neither tag, name nor platform tell about.
pub async fn uninspected(database: &Pool) -> Result<Vec<Uninspected>, StoreError> {
    let rows = sqlx::query!(
        "select image_id, image.region, image.name, owner_id, platform, marketplace, architecture, rhel_tag, openshift_tag, rhel_found,
                facts -> 'syspurpose' as syspurpose, namespace, holder.name as account
           from image
           join lateral (select distinct cloud_account from instance where instance.image = image.id) as used on true
           join holder using (cloud_account)
          where inspection = 'pending' and described_at is not null and not unavailable
            and platform = 'none' and not marketplace and not rhel_tag and not suspended
          order by image.id, cloud_account",
    )
    .fetch_all(database)
    .await
    .doing("listing images to inspect")?;
    let mut images: Vec<Uninspected> = Vec::new();
    for row in rows {
        let account = (row.namespace, row.account);
        if image::classify(&image_attributes!(row)).rhel.is_some() {
            continue;
        }
        match images
            .last_mut()
            .filter(|last| last.image_id == row.image_id)
        {
            Some(last) => last.accounts.push(account),
            None => images.push(Uninspected {
                image_id: row.image_id,
                region: row.region,
                accounts: vec![account],
            }),
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests;
