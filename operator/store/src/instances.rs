//! Rows of instances that logs and discovery name.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::accounts::{self, AccountKey};
use super::event::NewEvent;
use super::{Doing, StoreError};

/// Inserts the instances of `events` that have no row yet, and sets the image of those that had none. Returns both by row id,
/// with their account; an image once known stays.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<BTreeMap<i64, AccountKey>, StoreError> {
    let accounts = accounts::ids(events.iter().map(|e| e.account));
    let ids: Vec<&str> = events.iter().map(|e| e.instance_id.as_str()).collect();
    let regions: Vec<&str> = events.iter().map(|e| e.region.as_str()).collect();
    let images: Vec<Option<&str>> = events.iter().map(|e| e.image_id.as_deref()).collect();
    let rows = sqlx::query!(
        "insert into instance (cloud_account, instance_id, region, image)
         select distinct on (account, named.id) account, named.id, named.region, image.id
           from unnest($1::int[], $2::text[], $3::text[], $4::text[]) as named (account, id, region, image_id)
           left join image on image.cloud = 'aws' and image.image_id = named.image_id
          order by account, named.id, image.id
             on conflict (cloud_account, instance_id) do update set image = excluded.image
          where instance.image is null and excluded.image is not null
      returning id, cloud_account",
        &accounts,
        &ids as _,
        &regions as _,
        &images as _,
    )
    .fetch_all(connection)
    .await
    .doing("inserting instances")?;
    let instances = rows.into_iter();
    Ok(instances
        .map(|row| (row.id, AccountKey(row.cloud_account)))
        .collect())
}
