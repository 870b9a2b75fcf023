//! The cache of usage by day, table `usage_day`: written when a day is asked for, dropped when one of its facts changes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use metering::usage::Count;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgConnection;
use sqlx::types::Json;

use super::organizations::OrganizationVersion;
use super::{Doing, StoreError, changes};

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
    organization: OrganizationVersion,
    first: Date,
    last: Date,
) -> Result<HashMap<Date, DayCounts>, StoreError> {
    let rows = sqlx::query!(
        r#"select day as "day: jiff_sqlx::Date", maximum_counts as "counts: Json<Box<RawValue>>"
             from usage_day where organization = $1 and day between $2 and $3"#,
        organization.id,
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

/// Keeps days of an organization, computed from facts that were read after its version was. Keeps nothing if a fact has changed since:
/// the days are right for the caller, and computed anew for the next one.
pub async fn cache(
    transaction: &mut PgConnection,
    organization: OrganizationVersion,
    days: &[(Date, DayCounts)],
) -> Result<(), StoreError> {
    changes::lock_organizations(transaction, &[organization.id]).await?;
    let (days, counts): (Vec<_>, Vec<_>) = days
        .iter()
        .map(|(day, counts)| (day.to_sqlx(), counts.0.get()))
        .unzip();
    sqlx::query!(
        "insert into usage_day (organization, day, maximum_counts)
         select organization.id, day, counts::json
           from organization, unnest($3::date[], $4::text[]) as kept (day, counts)
          where organization.id = $1 and organization.version = $2
         on conflict (organization, day) do update set maximum_counts = excluded.maximum_counts",
        organization.id,
        organization.version,
        &days as _,
        &counts as _,
    )
    .execute(transaction)
    .await
    .doing("keeping usage")?;
    Ok(())
}
