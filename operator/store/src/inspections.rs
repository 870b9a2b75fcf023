//! Inputs and results of inspections.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::image::ImageAttributes;
use serde_json::Value;

use super::changes::{Changes, invalidate};
use super::images::image_attributes;
use super::{Doing, Pool, StoreError};

/// An image and the result of its inspection so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InspectedBefore {
    /// Attributes that decide whether it counts as RHEL.
    pub image: ImageAttributes,
    /// houndigrade's entry of an earlier inspection.
    pub facts: Option<Value>,
}

/// Result of an inspection.
#[derive(Clone, Copy, Debug)]
pub struct NewFindings<'a> {
    /// houndigrade's entry for the image.
    pub facts: &'a Value,
    /// There is evidence of RHEL.
    pub rhel: bool,
    /// Distribution id, as `rhel`.
    pub distribution: Option<&'a str>,
    /// Its version.
    pub version: Option<&'a str>,
}

/// Returns what is known of `image_id`; `None` without a row.
pub async fn known(database: &Pool, image_id: &str) -> Result<Option<InspectedBefore>, StoreError> {
    let row = sqlx::query!(
        "select name, owner_id, architecture, platform, marketplace, rhel_tag, openshift_tag,
                rhel_found, facts -> 'syspurpose' as syspurpose,
                case when inspection = 'inspected' then facts end as facts
           from image where cloud = 'aws' and image_id = $1",
        image_id,
    )
    .fetch_optional(database)
    .await
    .doing("reading an image")?;
    Ok(row.map(|row| InspectedBefore {
        facts: row.facts,
        image: ImageAttributes {
            inspected: None,
            ..image_attributes!(row)
        },
    }))
}

/// Keeps what was found on `image_id`, and has everything that rests on it computed anew.
///
/// # Errors
/// When Postgres does not answer; then nothing is kept.
pub async fn record(
    database: &Pool,
    image_id: &str,
    region: &str,
    found: NewFindings<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let doing = "recording an inspection";
    let mut transaction = database.begin().await.doing(doing)?;
    let image = sqlx::query_scalar!(
        "insert into image (image_id, region, inspection, inspected_at, facts, rhel_found, distribution, version)
         values ($1, $2, 'inspected', $3, $4, $5, $6, $7)
         on conflict (cloud, image_id) do update set
             inspection = 'inspected', inspection_error = null, inspected_at = excluded.inspected_at, facts = excluded.facts,
             rhel_found = excluded.rhel_found, distribution = excluded.distribution, version = excluded.version
         returning id",
        image_id,
        region,
        &now.to_sqlx() as _,
        found.facts,
        found.rhel,
        found.distribution,
        found.version,
    )
    .fetch_one(&mut *transaction)
    .await
    .doing(doing)?;
    let mut changes = Changes::default();
    changes.image(image);
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(doing)
}

/// Keeps that `image_id` was given up, and why. Facts found by another inspection stand.
///
/// # Errors
/// When Postgres does not answer; then nothing is kept.
pub async fn record_error(
    database: &Pool,
    image_id: &str,
    region: &str,
    message: &str,
    unavailable: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let doing = "recording an inspection that failed";
    let mut transaction = database.begin().await.doing(doing)?;
    let image = sqlx::query_scalar!(
        "insert into image (image_id, region, inspection, inspection_error, inspected_at, unavailable)
         values ($1, $2, 'error', $3, $4, $5)
         on conflict (cloud, image_id) do update set
             inspection = 'error', inspection_error = excluded.inspection_error, inspected_at = excluded.inspected_at,
             unavailable = image.unavailable or excluded.unavailable
         where image.inspection <> 'inspected'
         returning id",
        image_id,
        region,
        message,
        &now.to_sqlx() as _,
        unavailable,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(doing)?;
    if let Some(image) = image {
        let mut changes = Changes::default();
        changes.image(image);
        invalidate(&mut transaction, &changes).await?;
    }
    transaction.commit().await.doing(doing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::account_status::changed_since;
    use crate::testing::TestDatabase;

    const FOUND: &str = "2026-11-22T12:00:00Z";

    async fn error(database: &Pool) -> Option<String> {
        sqlx::query_scalar("select inspection_error from image")
            .fetch_one(database)
            .await
            .unwrap()
    }

    async fn found(database: &Pool, facts: &Value) {
        let found = NewFindings {
            facts,
            rhel: true,
            distribution: Some("rhel"),
            version: Some("9.4"),
        };
        record(
            database,
            "ami-1",
            "us-east-1",
            found,
            FOUND.parse().unwrap(),
        )
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn facts_are_kept_for_all_and_outlive_a_later_failure() {
        let database = TestDatabase::new().await;
        assert_eq!(known(&database, "ami-1").await.unwrap(), None);
        record_error(
            &database,
            "ami-1",
            "us-east-1",
            "broken",
            false,
            FOUND.parse().unwrap(),
        )
        .await
        .unwrap();
        assert_eq!(
            known(&database, "ami-1").await.unwrap().unwrap().facts,
            None
        );
        assert_eq!(error(&database).await.as_deref(), Some("broken"));

        let facts = json!({"rhel_found": true});
        found(&database, &facts).await;
        found(&database, &facts).await;
        assert_eq!(
            known(&database, "ami-1").await.unwrap().unwrap().facts,
            Some(facts.clone())
        );
        assert_eq!(error(&database).await, None);

        record_error(
            &database,
            "ami-1",
            "us-east-1",
            "gone",
            true,
            FOUND.parse().unwrap(),
        )
        .await
        .unwrap();
        assert_eq!(
            known(&database, "ami-1").await.unwrap().unwrap().facts,
            Some(facts)
        );
    }

    #[tokio::test]
    async fn usage_of_the_days_an_image_ran_is_computed_anew() {
        let database = TestDatabase::new().await;
        let account = database.enrol("210987654321", "org").await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "insert into image (image_id, region) values ('ami-1', 'us-east-1');
             insert into instance (cloud_account, instance_id, region, image) select {account}, 'i-1', 'us-east-1', id from image;
             insert into run select id, {account}, '2026-03-02T10:00Z', '2026-03-03T10:00Z', 't3.small' from instance;
             update organization set verdicts_changed_at = 'epoch'; update cloud_account set changed_at = 'epoch';
             insert into usage_day select id, day, '[]' from organization, generate_series('2026-03-01'::date, '2026-03-04', '1 day') day"
        )))
        .execute(&*database)
        .await
        .unwrap();
        found(&database, &json!({})).await;
        let days: Vec<String> = sqlx::query_scalar("select day::text from usage_day order by 1")
            .fetch_all(&*database)
            .await
            .unwrap();
        assert_eq!(days, ["2026-03-01", "2026-03-04"]);
        let changed = changed_since(&database, Timestamp::UNIX_EPOCH).await;
        assert_eq!(
            changed.unwrap().len(),
            1,
            "the CloudAccount counts its images anew"
        );
    }
}
