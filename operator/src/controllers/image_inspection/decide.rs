//! The next step of an inspection: a pure function of its status, of the observed state, and of the time.

use std::time::Duration;

use jiff::Timestamp;
use metering::image::{self, ClassificationReason};

use super::eligibility::Ineligible;
use super::observe::{JobState, Observed};
use super::plan::Plan;
use super::result::{self, InspectionResult, Unreadable};
use crate::controllers::backoff::spread;
use cloudigrade_api::{ImageInspection, VerdictStatus};
use cloudigrade_cloud::{IamRole, ImageState, RootDisk};
use cloudigrade_store::inspections::InspectedBefore;

/// Wait before the second attempt; it doubles with every further one.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// Longest wait between two attempts.
const LONGEST_RETRY: Duration = Duration::from_secs(1800);
/// A Job that ends is told by its watch. This is for the case that it was missed.
const MISSED_JOB: Duration = Duration::from_secs(300);

/// Reason of an image that the account does not know.
pub(super) const NOT_FOUND: &str = "NotFound";

/// Returns the next step.
pub(super) fn decide(
    inspection: &ImageInspection,
    observed: Observed,
    max_attempts: u32,
    now: Timestamp,
) -> Plan {
    match observed {
        Observed::Deleting => Plan::Cleanup,
        Observed::Releasing => Plan::Release,
        Observed::Waiting(until) => Plan::Requeue(Some(until)),
        Observed::Pending { known, eligibility } => begin(known, eligibility),
        Observed::Preparing(Ok((role, image))) => launch(inspection, role, image, now),
        Observed::Preparing(Err(ineligible)) => ineligible.into(),
        Observed::Inspecting { job, result } => outcome(inspection, job, result, max_attempts, now),
        Observed::Finished(expiry) => Plan::Requeue(expiry),
        Observed::Expired => Plan::Delete,
    }
}

/// An image that is known or declared needs no reading (docs/design/original.md); any other needs an account that lets us.
fn begin(known: Option<InspectedBefore>, eligibility: Result<(), Ineligible>) -> Plan {
    if let Some(known) = known {
        if let Some(facts) = known.facts {
            return Plan::AlreadyKnown(result::stored_verdict(&facts));
        }
        let stated = image::classify(&known.image);
        if let (Some(rhel), Some(first)) = (stated.rhel, stated.reasons.first()) {
            let reason = match first {
                ClassificationReason::PaidThroughCloud => "PaidThroughCloud",
                ClassificationReason::SubscriptionBrought => "SubscriptionBrought",
                ClassificationReason::RhelTag => "RhelTag",
                ClassificationReason::OwnerRhelTag => "OwnerRhelTag",
                ClassificationReason::Declared => "Declared",
                ClassificationReason::CloudAccess => "CloudAccess",
                ClassificationReason::Marketplace => "Marketplace",
                ClassificationReason::Windows => "Windows",
                ClassificationReason::InspectedRhel | ClassificationReason::InspectedOther => {
                    "AlreadyKnown"
                }
            };
            let reasons = stated.reasons.iter().map(ToString::to_string).collect();
            return Plan::Skip {
                reason,
                verdict: VerdictStatus {
                    distribution: None,
                    version: None,
                    rhel,
                    reasons,
                },
            };
        }
    }
    match eligibility {
        Ok(()) => Plan::Prepare,
        Err(ineligible) => ineligible.into(),
    }
}

/// Only the root volume is read, as the original did.
fn launch(
    inspection: &ImageInspection,
    role: IamRole,
    image: Option<ImageState>,
    now: Timestamp,
) -> Plan {
    let id = &inspection.spec.image_id;
    let fail = |reason, message| Plan::Fail { reason, message };
    match image {
        None => fail(
            NOT_FOUND,
            format!(
                "AWS does not know {id} in this region (any more), or the account may not use it; nothing is left to inspect"
            ),
        ),
        Some(ImageState::NotYet(state)) => Plan::Wait {
            reason: "ImageNotAvailable",
            message: format!("{id} is {state}; looked at again until it is available"),
            until: Some(after(now, retry_wait(1, inspection))),
        },
        Some(ImageState::Unusable(state)) => fail(
            "Unavailable",
            format!("{id} is {state}, so its disk cannot be read"),
        ),
        Some(ImageState::Available(None)) => fail(
            "NoRootSnapshot",
            format!("the root device of {id} is no EBS snapshot, so there is nothing to read"),
        ),
        Some(ImageState::Available(Some(RootDisk {
            snapshot_id,
            encrypted: true,
        }))) => fail(
            "Encrypted",
            format!(
                "{snapshot_id}, the root disk of {id}, is encrypted; tag the image cloudigrade-rhel-present if it is RHEL"
            ),
        ),
        Some(ImageState::Available(Some(disk))) => Plan::Launch {
            role,
            snapshot: disk.snapshot_id,
        },
    }
}

/// Outcome of an attempt. An error is never "not RHEL".
fn outcome(
    inspection: &ImageInspection,
    job: JobState,
    result: Option<Result<InspectionResult, String>>,
    max_attempts: u32,
    now: Timestamp,
) -> Plan {
    let attempts = inspection
        .status
        .as_ref()
        .map_or(0, |status| status.attempts);
    let (reason, message) = match (job, result) {
        (JobState::Running, _) => return Plan::AwaitJob(after(now, MISSED_JOB)),
        (_, Some(Ok(report))) => match report.unreadable {
            None => return Plan::Record(Box::new(report)),
            Some(Unreadable {
                reason,
                message,
                permanent: true,
            }) => return Plan::Fail { reason, message },
            Some(Unreadable {
                reason,
                message,
                permanent: false,
            }) => (reason, message),
        },
        (_, Some(Err(malformed))) => (
            "MalformedResult",
            format!("houndigrade's result cannot be used: {malformed}"),
        ),
        (JobState::Over(Some(failure)), None) => (
            "JobFailed",
            format!("the Job ended without a result: {failure}"),
        ),
        (JobState::Over(None), None) => (
            "NoResult",
            "the Job ended well but delivered no result".to_owned(),
        ),
        (JobState::Gone, None) => (
            "JobGone",
            "the Job was deleted before it delivered a result".to_owned(),
        ),
    };
    if attempts >= max_attempts {
        return Plan::Fail {
            reason,
            message: format!("given up after {attempts} attempts; the last: {message}"),
        };
    }
    Plan::Retry {
        reason,
        message,
        at: after(now, retry_wait(attempts, inspection)),
    }
}

/// The wait after attempt number `attempts` failed.
fn retry_wait(attempts: u32, inspection: &ImageInspection) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    spread(
        doubled.min(LONGEST_RETRY),
        inspection.metadata.uid.as_deref().unwrap_or_default(),
    )
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
