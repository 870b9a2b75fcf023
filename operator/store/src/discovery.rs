//! Rows that discovery reads and writes.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::cloudtrail::{EventKind, ImageTag, Tag};
use metering::described::ImageDescription;
use sqlx::PgConnection;

use super::accounts::AccountKey;
use super::changes::{Changes, invalidate};
use super::event::kind_from_sql;
use super::{Doing, Pool, StoreError, images};

/// An instance as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownInstance {
    /// The cloud's id
    pub id: String,
    /// Where it is
    pub region: String,
    /// The newest power event: what and when
    pub power: Option<(EventKind, Timestamp)>,
}

/// An instance as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInstance {
    /// The cloud's id
    pub id: String,
    /// Where it is
    pub region: String,
    /// ImageDescription it was launched from
    pub image_id: Option<String>,
}

/// Every instance of an account.
pub async fn instances(
    connection: &mut PgConnection,
    account: AccountKey,
) -> Result<Vec<KnownInstance>, StoreError> {
    sqlx::query!(
        r#"select instance.instance_id, instance.region, newest.kind as "kind?",
                  newest.occurred_at as "occurred_at?: jiff_sqlx::Timestamp"
             from instance
             left join lateral (
                  select kind, occurred_at from instance_event
                   where instance_event.instance = instance.id and kind in ('power_on', 'power_off')
                   order by occurred_at desc, kind limit 1) as newest on true
            where instance.cloud_account = $1"#,
        account.0
    )
    .map(|row| KnownInstance {
        id: row.instance_id,
        region: row.region,
        power: row
            .kind
            .zip(row.occurred_at)
            .map(|(kind, at)| (kind_from_sql(&kind), at.to_jiff())),
    })
    .fetch_all(connection)
    .await
    .doing("reading the account's instances")
}

/// Makes rows for instances that have none, and gives an image to those that had none. The account must be locked.
///
/// The transaction goes on with `changes`, which usage follows.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn name_instances(
    connection: &mut PgConnection,
    account: AccountKey,
    found: &[FoundInstance],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    images::upsert(
        connection,
        found
            .iter()
            .filter_map(|i| Some((i.image_id.as_deref()?, i.region.as_str()))),
    )
    .await?;
    let ids: Vec<&str> = found.iter().map(|i| i.id.as_str()).collect();
    let regions: Vec<&str> = found.iter().map(|i| i.region.as_str()).collect();
    let of_images: Vec<Option<&str>> = found.iter().map(|i| i.image_id.as_deref()).collect();
    let given_image = sqlx::query_scalar!(
        r#"insert into instance (cloud_account, instance_id, region, image)
           select $1, found.id, found.region, image.id
             from unnest($2::text[], $3::text[], $4::text[]) as found (id, region, image_id)
             left join image on image.cloud = 'aws' and image.image_id = found.image_id
               on conflict (cloud_account, instance_id) do update set image = excluded.image
            where instance.image is null and excluded.image is not null
        returning image as "image""#,
        account.0,
        &ids as _,
        &regions as _,
        &of_images as _,
    )
    .fetch_all(&mut *connection)
    .await
    .doing("inserting found instances")?;
    let given_image = given_image.into_iter().flatten();
    given_image.for_each(|image| changes.image(image));
    changes.account(account);
    Ok(())
}

/// Keeps what the cloud says of images, as of `now`.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn describe_images(
    pool: &Pool,
    account_id: &str,
    region: &str,
    described: &[ImageDescription],
    now: Timestamp,
) -> Result<(), StoreError> {
    const DOING: &str = "describing images";
    let mut transaction = pool.begin().await.doing(DOING)?;
    let changed = describe(&mut transaction, described, now).await?;
    let mut changes = Changes::default();
    changed.into_iter().for_each(|image| changes.image(image));
    let tags = tags(account_id, region, described, now);
    images::apply_tags(&mut transaction, &tags, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)
}

async fn describe(
    connection: &mut PgConnection,
    described: &[ImageDescription],
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let ids: Vec<&str> = described.iter().map(|i| i.id.as_str()).collect();
    let names: Vec<Option<&str>> = described.iter().map(|i| i.name.as_deref()).collect();
    let owners: Vec<Option<&str>> = described.iter().map(|i| i.owner_id.as_deref()).collect();
    let architectures: Vec<Option<&str>> = described
        .iter()
        .map(|i| i.architecture.as_deref())
        .collect();
    let windows: Vec<bool> = described.iter().map(|i| i.windows).collect();
    let marketplace: Vec<bool> = described.iter().map(|i| i.marketplace).collect();
    sqlx::query_scalar!(
        "update image set described_at = $7, unavailable = false, name = said.name, owner_id = said.owner_id,
                architecture = said.architecture, marketplace = said.marketplace,
                platform = case when said.windows then 'windows' else 'none' end
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::bool[])
             as said (image_id, name, owner_id, architecture, windows, marketplace)
          where image.cloud = 'aws' and image.image_id = said.image_id
      returning image.id",
        &ids as _,
        &names as _,
        &owners as _,
        &architectures as _,
        &windows,
        &marketplace,
        now.to_sqlx() as _,
    )
    .fetch_all(connection)
    .await
    .doing("describing images")
}

/// The metering tags of images as changes made now; only what is there tells: that a tag is not there may be older.
fn tags(
    account_id: &str,
    region: &str,
    described: &[ImageDescription],
    now: Timestamp,
) -> Vec<ImageTag> {
    let mut tags = Vec::new();
    for image in described {
        for (tag, present) in [
            (Tag::Rhel, image.rhel_tag),
            (Tag::OpenShift, image.openshift_tag),
        ] {
            if present {
                tags.push(ImageTag {
                    event_id: format!("discovery:{}:{}:{now}", image.id, tag.key()),
                    account_id: account_id.to_owned(),
                    region: region.to_owned(),
                    image_id: image.id.clone(),
                    tag,
                    present,
                    at: now,
                });
            }
        }
    }
    tags
}

#[cfg(test)]
mod tests;
