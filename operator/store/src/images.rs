//! Machine images: rows for those that logs name, their tags, and the attributes that decide whether they count as RHEL.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::cloudtrail::{ImageTag, Tag};
use sqlx::PgConnection;

use super::changes::Changes;
use super::{Doing, StoreError};

/// Builds from a row of `image` the attributes that decide whether it counts as RHEL. This is the only place that does: a query that
/// leaves out one of the columns does not compile.
macro_rules! image_attributes {
    ($row:ident) => {
        metering::image::ImageAttributes {
            rhel_tag: $row.rhel_tag,
            openshift_tag: $row.openshift_tag,
            name: $row.name,
            owner_id: $row.owner_id,
            platform: Some($row.platform),
            marketplace: $row.marketplace,
            architecture: $row.architecture,
            inspected: $row.rhel_found.map(|rhel| metering::image::DiskFindings {
                rhel,
                syspurpose: $row
                    .syspurpose
                    .as_ref()
                    .map(metering::image::Syspurpose::from_json)
                    .unwrap_or_default(),
            }),
        }
    };
}
pub(crate) use image_attributes;

/// Inserts images (id and region) that have no row yet; the inventory describes them later.
pub(crate) async fn upsert<'a>(
    connection: &mut PgConnection,
    images: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), StoreError> {
    // In the order of their ids, so that two transactions that make the same ones wait for each other only once.
    let (ids, regions): (Vec<&str>, Vec<&str>) =
        images.collect::<BTreeMap<_, _>>().into_iter().unzip();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into image (image_id, region)
         select named.id, named.region from unnest($1::text[], $2::text[]) as named (id, region)
         on conflict do nothing",
        &ids as _,
        &regions as _,
    )
    .execute(connection)
    .await
    .doing("inserting images")?;
    Ok(())
}

/// Sets and takes off metering tags. The newest change of an image's tag wins, whatever order changes come in;
/// of changes in the same second the one that sets it. Returns the number of images that changed.
///
/// The transaction goes on with `changes`, which usage follows.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn apply_tags(
    connection: &mut PgConnection,
    tags: &[ImageTag],
    changes: &mut Changes,
) -> Result<u64, StoreError> {
    upsert(
        connection,
        tags.iter()
            .map(|t| (t.image_id.as_str(), t.region.as_str())),
    )
    .await?;
    let mut changed = set_rhel_tags(connection, &newest(tags, Tag::Rhel)).await?;
    changed.extend(set_openshift_tags(connection, &newest(tags, Tag::OpenShift)).await?);
    changed.sort_unstable();
    changed.dedup();
    changed.iter().for_each(|image| changes.image(*image));
    Ok(changed.len() as u64)
}

/// The newest change an image, in the order of their ids.
#[derive(Debug, Default, PartialEq, Eq)]
struct Newest<'a> {
    images: Vec<&'a str>,
    present: Vec<bool>,
    at: Vec<jiff_sqlx::Timestamp>,
}

fn newest(tags: &[ImageTag], tag: Tag) -> Newest<'_> {
    let mut by_image: BTreeMap<&str, (Timestamp, bool)> = BTreeMap::new();
    for change in tags.iter().filter(|t| t.tag == tag) {
        let this = (change.at, change.present);
        by_image
            .entry(&change.image_id)
            .and_modify(|newest| *newest = this.max(*newest))
            .or_insert(this);
    }
    let mut newest = Newest::default();
    for (image, (at, present)) in by_image {
        newest.images.push(image);
        newest.present.push(present);
        newest.at.push(at.to_sqlx());
    }
    newest
}

async fn set_rhel_tags(
    connection: &mut PgConnection,
    newest: &Newest<'_>,
) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar!(
        "update image set rhel_tag = change.present, rhel_tag_at = change.at
           from unnest($1::text[], $2::bool[], $3::timestamptz[]) as change (image_id, present, at)
          where image.cloud = 'aws' and image.image_id = change.image_id
            and (rhel_tag_at is null or (change.at, change.present) > (rhel_tag_at, rhel_tag))
      returning image.id",
        &newest.images as _,
        &newest.present,
        &newest.at as _,
    )
    .fetch_all(connection)
    .await
    .doing("setting images' RHEL tags")
}

async fn set_openshift_tags(
    connection: &mut PgConnection,
    newest: &Newest<'_>,
) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar!(
        "update image set openshift_tag = change.present, openshift_tag_at = change.at
           from unnest($1::text[], $2::bool[], $3::timestamptz[]) as change (image_id, present, at)
          where image.cloud = 'aws' and image.image_id = change.image_id
            and (openshift_tag_at is null or (change.at, change.present) > (openshift_tag_at, openshift_tag))
      returning image.id",
        &newest.images as _,
        &newest.present,
        &newest.at as _,
    )
    .fetch_all(connection)
    .await
    .doing("setting images' OpenShift tags")
}
