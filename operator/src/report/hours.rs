//! For how long instances ran, by the distribution on their image.

use jiff::Timestamp;
use metering::image;
use metering::usage::{self as metered, Period};
use serde::Serialize;
use sqlx::PgConnection;

use crate::store::StoreError;
use crate::store::usage::{self, KnownImage};

/// For how long instances of one organization ran one distribution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hours {
    /// The organization.
    pub org_id: String,
    /// `ID` of the distribution's os-release such as `rhel` or `debian`; `windows`; or `unknown`.
    pub distribution: String,
    /// Seconds run, of all instances together.
    pub seconds: i64,
    /// The same in hours.
    pub hours: f64,
}

/// The distribution of images that nobody could tell anything of yet.
pub(crate) const UNKNOWN: &str = "unknown";

/// For how long instances of `org_id` ran within `period`, up to `now`, sorted by distribution.
///
/// # Errors
/// When Postgres does not answer.
pub async fn hours(
    connection: &mut PgConnection,
    org_id: &str,
    period: Period,
    now: Timestamp,
) -> Result<Vec<Hours>, StoreError> {
    let period = period.until(now);
    let images = usage::images(connection, org_id).await?;
    let runs = usage::runs(connection, org_id, period).await?;
    let by_distribution = runs.iter().map(|run| {
        let known = run.image.and_then(|key| images.get(&key));
        (known.map_or(UNKNOWN, distribution), run.start, run.end)
    });
    let sums =
        metered::hours(period, by_distribution)
            .into_iter()
            .map(|(distribution, duration)| Hours {
                org_id: org_id.to_owned(),
                distribution: distribution.to_owned(),
                seconds: duration.as_secs(),
                hours: duration.as_secs_f64() / 3600.0,
            });
    Ok(sums.collect())
}

/// What an inspection found goes before what is known without one.
fn distribution(known: &KnownImage) -> &str {
    let windows = known.image.platform.as_deref() == Some("windows");
    match &known.distribution {
        Some(distribution) => distribution,
        None if image::rhel(&known.image).counts() => "rhel",
        None if windows => "windows",
        None => UNKNOWN,
    }
}
