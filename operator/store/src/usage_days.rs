//! The cache of usage by day, table `usage_day`: written when a day is asked for, dropped when one of its facts changes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use jiff_sqlx::ToSqlx;
use metering::usage::{Count, Period};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::{Doing, StoreError};

/// The first and the last day (UTC) that a stretch of time touches.
fn days(span: &Period) -> (Date, Date) {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    // Its end is no part of it: a stretch that ends at midnight leaves the next day alone.
    let last = span.end.saturating_sub(1.nanosecond()).unwrap_or(span.end);
    (day(span.start), day(last))
}

/// Counts of a day as JSON: an array of [`Count`], stored and answered as it is.
#[derive(Clone, Debug)]
pub struct DayCounts(Arc<RawValue>);

impl DayCounts {
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
    /// When it is of another form than [`DayCounts::of`] writes.
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

impl Serialize for DayCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The days of an organization from `first` to `last` that are kept.
pub async fn cached(
    connection: &mut PgConnection,
    org_id: &str,
    first: Date,
    last: Date,
) -> Result<HashMap<Date, DayCounts>, StoreError> {
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
        .map(|row| (row.day.to_jiff(), DayCounts(row.counts.0.into())))
        .collect())
}

/// Keeps days of an organization. They must be derived from what was read after [`locks::lock_shared`](super::locks::lock_shared) in the
/// same transaction: otherwise a change in between would not drop them.
pub async fn cache(
    transaction: &mut PgConnection,
    org_id: &str,
    days: &[(Date, DayCounts)],
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

/// Drops the days that `spans` of instances touch. The caller has locked the enrolments they belong to (see [`super::locks`]).
pub(super) async fn drop_spans(
    connection: &mut PgConnection,
    spans: &[(i64, Period)],
) -> Result<(), StoreError> {
    if spans.is_empty() {
        return Ok(());
    }
    let instances: Vec<i64> = spans.iter().map(|(instance, _)| *instance).collect();
    let (first, last): (Vec<_>, Vec<_>) = spans
        .iter()
        .map(|(_, span)| days(span))
        .map(|(first, last)| (first.to_sqlx(), last.to_sqlx()))
        .unzip();
    // Locked in order, so that writers of two accounts of one org cannot wait for each other in a circle.
    sqlx::query!(
        "with touched as (
             select org_id, day from usage_day
              where (org_id, day) in (
                    select org_id, day
                      from unnest($1::bigint[], $2::date[], $3::date[]) as span (instance, first, last)
                      join instance on instance.id = span.instance
                      join enrolment on enrolment.id = instance.enrolment_id
                      join usage_day using (org_id)
                     where day between span.first and span.last)
              order by org_id, day for update)
         delete from usage_day using touched
          where usage_day.org_id = touched.org_id and usage_day.day = touched.day",
        &instances,
        &first as _,
        &last as _,
    )
    .execute(connection)
    .await
    .doing("dropping the usage of days")?;
    Ok(())
}

/// Drops, for every org, the days on which an instance of one of these images ran. To be called by whoever changes
/// what is known of an image, in the same transaction and after the change.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn drop_for_images(
    connection: &mut PgConnection,
    images: &[i64],
) -> Result<(), StoreError> {
    if images.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with users as (
             select id from enrolment
              where id in (select enrolment_id from instance where image = any($1))
              order by id for no key update)
         update enrolment set changed_at = clock_timestamp() from users where enrolment.id = users.id",
        images,
    )
    .execute(&mut *connection)
    .await
    .doing("marking the enrolments that use an image as changed")?;
    sqlx::query!(
        "with touched as (
             select org_id, day from usage_day
              where exists (
                    select from instance
                      join enrolment on enrolment.id = instance.enrolment_id
                      join run on run.instance = instance.id
                     where instance.image = any($1) and enrolment.org_id = usage_day.org_id
                       and run.started_at < (day + 1)::timestamp at time zone 'UTC'
                       and coalesce(run.ended_at, 'infinity') > day::timestamp at time zone 'UTC')
              order by org_id, day for update)
         delete from usage_day using touched
          where usage_day.org_id = touched.org_id and usage_day.day = touched.day",
        images,
    )
    .execute(connection)
    .await
    .doing("dropping the usage of days that an image touches")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::within_a_day(
        "2026-03-01T10:00:00Z",
        "2026-03-01T11:00:00Z",
        "2026-03-01",
        "2026-03-01"
    )]
    #[case::to_midnight(
        "2026-03-01T10:00:00Z",
        "2026-03-02T00:00:00Z",
        "2026-03-01",
        "2026-03-01"
    )]
    #[case::past_midnight(
        "2026-03-01T10:00:00Z",
        "2026-03-02T00:00:01Z",
        "2026-03-01",
        "2026-03-02"
    )]
    fn days_of_a_span(
        #[case] start: Timestamp,
        #[case] end: Timestamp,
        #[case] first: Date,
        #[case] last: Date,
    ) {
        assert_eq!(days(&Period { start, end }), (first, last));
    }

    #[test]
    fn what_has_no_end_touches_every_day_to_come() {
        let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let (first, last) = days(&Period {
            start,
            end: Timestamp::MAX,
        });
        assert_eq!(
            (first, last.year()),
            (start.to_zoned(TimeZone::UTC).date(), 9999)
        );
    }
}
