//! Hours, vCPU-hours and GiB-hours of instances, by chosen dimensions.

use jiff::{SignedDuration, Timestamp};
use metering::image;
use metering::usage::{Consumption, Period, Size, consumption};
use serde::{Serialize, Serializer};

use cloudigrade_store::usage::{self, DetailedRun, KnownImage};
use cloudigrade_store::{Doing, Pool, StoreError};

/// Dimensions that hours are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum By {
    /// `ID` of the image's os-release such as rhel or debian; windows
    Distribution,
    /// The cloud account
    Account,
    /// The image
    Image,
    /// The instance type
    Type,
    /// The region
    Region,
}

impl By {
    /// Its name in JSON and CSV.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Account => "account_id",
            Self::Image => "image_id",
            Self::Type => "instance_type",
            Self::Region => "region",
        }
    }

    fn of<'a>(self, run: &'a DetailedRun, image: Option<&'a KnownImage>) -> &'a str {
        match self {
            Self::Distribution => image.map_or(UNKNOWN, distribution),
            Self::Account => &run.account_id,
            Self::Image => run.image_id.as_deref().unwrap_or(UNKNOWN),
            Self::Type => run.instance_type.as_deref().unwrap_or(UNKNOWN),
            Self::Region => &run.region,
        }
    }
}

/// For how long some instances of one organization ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hours {
    /// The organization.
    pub org_id: String,
    /// Values of the dimensions, in the order asked for; `unknown` where there is none.
    #[serde(flatten, serialize_with = "as_map")]
    pub group: Vec<(By, String)>,
    /// Seconds run, of all instances together.
    pub seconds: i64,
    /// The same in hours.
    pub hours: f64,
    /// Each hour times the vCPUs of its instance; `None` if the size of none is known.
    pub vcpu_hours: Option<f64>,
    /// Each hour times the GiB of memory of its instance; `None` if the size of none is known.
    pub memory_gib_hours: Option<f64>,
    /// Those of `hours` that are not in the two, because the size of the instance type is not known.
    pub unsized_hours: f64,
}

/// Value of a dimension that is not known, or not yet.
pub(crate) const UNKNOWN: &str = "unknown";

/// For how long instances of `org_id` ran within `period`, up to `now`, in groups by `by`, sorted by them.
///
/// # Errors
/// When Postgres does not answer.
pub async fn hours(
    pool: &Pool,
    org_id: &str,
    period: Period,
    by: &[By],
    now: Timestamp,
) -> Result<Vec<Hours>, StoreError> {
    let period = period.until(now);
    let mut transaction = pool.begin().await.doing("reading hours")?;
    let images = usage::images(&mut transaction, org_id).await?;
    let runs = usage::detailed_runs(&mut transaction, org_id, period).await?;
    let grouped = runs.iter().map(|run| {
        let image = run.image.and_then(|key| images.get(&key));
        let group: Vec<&str> = by.iter().map(|by| by.of(run, image)).collect();
        (group, run.start, run.end, size(run))
    });
    let sums = consumption(period, grouped);
    let row = |(group, sum): (Vec<&str>, Consumption)| {
        let group = by
            .iter()
            .zip(group)
            .map(|(by, value)| (*by, value.to_owned()));
        Hours::new(org_id, group.collect(), &sum)
    };
    Ok(sums.into_iter().map(row).collect())
}

impl Hours {
    /// A sum, in the units people count in.
    pub(crate) fn new(org_id: &str, group: Vec<(By, String)>, sum: &Consumption) -> Self {
        let in_hours = |duration: SignedDuration| duration.as_secs_f64() / 3600.0;
        let sized = sum.unsized_running < sum.running;
        Self {
            org_id: org_id.to_owned(),
            group,
            seconds: sum.running.as_secs(),
            hours: in_hours(sum.running),
            vcpu_hours: sized.then(|| in_hours(sum.vcpu)),
            memory_gib_hours: sized.then(|| in_hours(sum.memory_mib) / 1024.0),
            unsized_hours: in_hours(sum.unsized_running),
        }
    }
}

fn size(run: &DetailedRun) -> Option<Size> {
    Some(Size {
        vcpus: u16::try_from(run.vcpus?).ok()?,
        memory_mib: u32::try_from(run.memory_mib?).ok()?,
    })
}

/// An inspection's finding goes before anything known without one.
fn distribution(known: &KnownImage) -> &str {
    let windows = known.image.platform.as_deref() == Some("windows");
    match &known.distribution {
        Some(distribution) => distribution,
        None if image::classify(&known.image).counts() => "rhel",
        None if windows => "windows",
        None => UNKNOWN,
    }
}

fn as_map<S: Serializer>(group: &[(By, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(group.iter().map(|(by, value)| (by.key(), value)))
}
