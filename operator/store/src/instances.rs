//! Rows of instances that logs and discovery name.

use sqlx::PgConnection;

use super::event::NewEvent;
use super::{Doing, StoreError};

/// Inserts the instances of `events` that have no row yet, and sets the image of those that had none. Returns the row ids of both; an
/// image once known stays.
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<i64>, StoreError> {
    let enrolments: Vec<i64> = events.iter().map(|e| e.enrolment).collect();
    let ids: Vec<&str> = events.iter().map(|e| e.instance_id.as_str()).collect();
    let regions: Vec<&str> = events.iter().map(|e| e.region.as_str()).collect();
    let images: Vec<Option<&str>> = events.iter().map(|e| e.image_id.as_deref()).collect();
    sqlx::query_scalar!(
        r#"insert into instance (enrolment_id, instance_id, region, image)
           select distinct on (enrolment, named.id) enrolment, named.id, named.region, image.id
             from unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) as named (enrolment, id, region, image_id)
             left join image on image.cloud = 'aws' and image.image_id = named.image_id
            order by enrolment, named.id, image.id
               on conflict (enrolment_id, instance_id) do update set image = excluded.image
            where instance.image is null and excluded.image is not null
        returning id"#,
        &enrolments,
        &ids as _,
        &regions as _,
        &images as _,
    )
    .fetch_all(connection)
    .await
    .doing("inserting instances")
}
