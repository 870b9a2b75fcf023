//! The runs themselves, for audits.

use jiff::Timestamp;
use metering::image::{self, ClassificationReason};
use metering::usage::Period;
use serde::Serialize;

use cloudigrade_store::usage::{self, DetailedRun};
use cloudigrade_store::{Doing, Pool, StoreError};

/// One run of one instance, and whether it counts as RHEL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// The organization.
    pub org_id: String,
    /// The cloud account.
    pub account_id: String,
    /// The cloud's id of the instance.
    pub instance_id: String,
    /// Where it runs.
    pub region: String,
    /// The cloud's id of its image, if known.
    pub image_id: Option<String>,
    /// Its type, if known.
    pub instance_type: Option<String>,
    /// First moment at which it runs.
    pub start: Timestamp,
    /// First moment at which it does not; `None` while it runs.
    pub end: Option<Timestamp>,
    /// It counts as RHEL; `None` while that is not known.
    pub rhel: Option<bool>,
    /// Grounds of the classification.
    pub reasons: Vec<ClassificationReason>,
}

/// The runs of `org_id` that have a moment in `period`, by their start. They are whole: a run that began before it is
/// shown with its beginning.
///
/// # Errors
/// When Postgres does not answer.
pub async fn runs(pool: &Pool, org_id: &str, period: Period) -> Result<Vec<RunRow>, StoreError> {
    let mut transaction = pool.begin().await.doing("reading runs")?;
    let images = usage::images(&mut transaction, org_id).await?;
    let mut runs = usage::detailed_runs(&mut transaction, org_id, period).await?;
    runs.sort_unstable_by(|a, b| {
        (a.start, &a.account_id, &a.instance_id).cmp(&(b.start, &b.account_id, &b.instance_id))
    });
    let row = |run: DetailedRun| {
        let known = run.image.and_then(|image| images.get(&image));
        let verdict = known.map(|known| image::classify(&known.image));
        let (rhel, reasons) = verdict.map_or((None, Vec::new()), |verdict| {
            (verdict.rhel, verdict.reasons)
        });
        RunRow {
            org_id: org_id.to_owned(),
            account_id: run.account_id,
            instance_id: run.instance_id,
            region: run.region,
            image_id: run.image_id,
            instance_type: run.instance_type,
            start: run.start,
            end: run.end,
            rhel,
            reasons,
        }
    };
    Ok(runs.into_iter().map(row).collect())
}
