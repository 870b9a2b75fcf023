//! The highest number of RHEL instances that ran at once, day by day.

use std::collections::HashMap;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use metering::image::{self, ImageAttributes};
use metering::usage::{Count, Period, RhelRun, daily_maximum_counts};
use serde::Serialize;
use sqlx::PgConnection;

use cloudigrade_store::usage::{self, ImageRun, KnownImage};
use cloudigrade_store::usage_days::DayCounts;
use cloudigrade_store::{Doing, Pool, StoreError, organizations, usage_days};

/// Concurrent usage of one organization on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The organization.
    pub org_id: String,
    /// The day.
    pub date: Date,
    /// The highest numbers, one for each choice of dimensions; empty if no RHEL instance ran.
    pub maximum_counts: Vec<Count>,
}

impl Day {
    /// The highest number whatever the dimensions.
    pub fn most(&self) -> u64 {
        self.maximum_counts
            .iter()
            .find(|count| count.is_of_any())
            .map_or(0, |count| count.instances_count)
    }
}

/// Concurrent usage of `org_id` on every day from `first` to `last`.
///
/// # Errors
/// When Postgres does not answer.
pub async fn concurrent(
    pool: &Pool,
    org_id: &str,
    first: Date,
    last: Date,
    now: Timestamp,
) -> Result<Vec<Day>, StoreError> {
    let doing = "deriving concurrent usage";
    let mut transaction = pool.begin().await.doing(doing)?;
    let days = concurrent_counts(&mut transaction, org_id, first, last, now).await?;
    transaction.commit().await.doing(doing)?;
    let day = |(date, counts): (Date, DayCounts)| {
        Ok(Day {
            org_id: org_id.to_owned(),
            date,
            maximum_counts: counts.read()?,
        })
    };
    days.into_iter().map(day).collect()
}

/// Like [`concurrent`], but returns the stored JSON and runs in the caller's transaction, which the caller must commit.
///
/// Days that are not cached are computed from runs, and cached if they are past at `now`. A day that is not over counts
/// up to `now`, later days count nothing.
///
/// # Errors
/// When Postgres does not answer.
pub async fn concurrent_counts(
    transaction: &mut PgConnection,
    org_id: &str,
    first: Date,
    last: Date,
    now: Timestamp,
) -> Result<Vec<(Date, DayCounts)>, StoreError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let version = organizations::version(&mut *transaction, org_id).await?;
    let mut known = match version {
        Some(version) => usage_days::cached(&mut *transaction, version, first, last).await?,
        None => HashMap::new(),
    };

    let days = || first.series(1.day()).take_while(|day| *day <= last);
    let mut missing = days().filter(|day| !known.contains_key(day));
    if let Some(from) = missing.next() {
        let to = missing.last().unwrap_or(from);
        let images = usage::images(&mut *transaction, org_id).await?;
        let period = Period::of_days(from, to).until(now);
        let runs = usage::runs(&mut *transaction, org_id, period).await?;
        let mut derived = Vec::new();
        for (day, counts) in daily_maximum_counts(from, to, &rhel_runs(&images, &runs)) {
            if !known.contains_key(&day) {
                derived.push((day, DayCounts::of(&counts)?));
            }
        }
        let over = derived.partition_point(|(day, _)| *day < today);
        if let (Some(version), Some(over @ [_, ..])) = (version, derived.get(..over)) {
            usage_days::cache(&mut *transaction, version, over).await?;
        }
        known.extend(derived);
    }
    Ok(days().filter_map(|day| known.remove_entry(&day)).collect())
}

/// The runs whose image counts as RHEL. One whose image is not known does not.
fn rhel_runs(images: &HashMap<i64, KnownImage>, runs: &[ImageRun]) -> Vec<RhelRun> {
    let rhel: HashMap<i64, &ImageAttributes> = images
        .iter()
        .filter(|(_, known)| image::classify(&known.image).counts())
        .map(|(key, known)| (*key, &known.image))
        .collect();
    let rhel_run = |run: &ImageRun| {
        let image = rhel.get(&run.image?)?;
        let syspurpose = image
            .inspected
            .as_ref()
            .map(|facts| facts.syspurpose.clone())
            .unwrap_or_default();
        Some(RhelRun {
            start: run.start,
            end: run.end,
            arch: image.architecture.clone().unwrap_or_default(),
            role: syspurpose.role,
            sla: syspurpose.sla,
            usage: syspurpose.usage,
            service_type: syspurpose.service_type,
        })
    };
    runs.iter().filter_map(rhel_run).collect()
}
