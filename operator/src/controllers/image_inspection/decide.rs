//! The next step of an inspection: a pure function of its status, of the observed state, and of the time.

use std::time::Duration;

use jiff::Timestamp;
use metering::image::{self, ClassificationReason};

use super::result::{self, InspectionResult, Unreadable};
use crate::controllers::backoff::spread;
use cloudigrade_api::{CloudAccount, Conditions, ImageInspection, Phase, Runner, VerdictStatus};
use cloudigrade_cloud::IamRole;
use cloudigrade_cloud::{ImageState, RootDisk};
use cloudigrade_store::inspections::InspectedBefore;

/// Wait before the second attempt; it doubles with every further one.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// Longest wait between two attempts.
const LONGEST_RETRY: Duration = Duration::from_secs(1800);
/// A Job that ends is told by its watch. This is for the case that it was missed.
const MISSED_JOB: Duration = Duration::from_secs(300);

/// Reason of an image that the account does not know.
pub(super) const NOT_FOUND: &str = "NotFound";

/// Observed state. Only what the phase needs is read.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// Not begun.
    Pending {
        /// The image in Postgres.
        known: Option<InspectedBefore>,
        /// The account lets images be inspected, or the reason that it does not.
        gate: Result<(), Closed>,
    },
    /// Its turn: the role to read the image with, and what the customer's account says of it.
    /// The account can have closed since. `None` when it does not know the image.
    Preparing(Result<(IamRole, Option<ImageState>), Closed>),
    /// An attempt was begun.
    Inspecting {
        /// Its Job.
        job: JobState,
        /// houndigrade's result, once the Job is over.
        result: Option<Result<InspectionResult, String>>,
    },
    /// Nothing has to be looked at.
    Nothing,
}

/// A Job, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JobState {
    /// There is none: deleted by hand, or kept long enough.
    Gone,
    /// Not over.
    Running,
    /// Over, well or not; what Kubernetes says about a failure.
    Over(Option<String>),
}

/// Why nothing can be inspected in an account now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// Nothing until something changes, or until then.
    Rest(Option<Timestamp>),
    /// It cannot begin; the conditions say why.
    Wait {
        reason: &'static str,
        message: String,
        until: Option<Timestamp>,
    },
    /// It may have its turn, if there is room.
    Prepare,
    /// Make the Job that reads this snapshot, with credentials of this role.
    Launch { role: IamRole, snapshot: String },
    /// The attempt failed in a way that may pass.
    Retry {
        reason: &'static str,
        message: String,
        at: Timestamp,
    },
    /// Keep what was found, for all who use the image.
    Record(Box<InspectionResult>),
    /// The content of the disk was known before.
    AlreadyKnown(VerdictStatus),
    /// The disk need not be read.
    Skip {
        reason: &'static str,
        verdict: VerdictStatus,
    },
    /// It will not get better.
    GiveUp {
        reason: &'static str,
        message: String,
    },
    /// Take away what the last attempt left.
    Release,
    /// It was kept long enough.
    Remove,
    /// It is being deleted: take everything away, then let it go.
    CleanUp,
}

/// Part of the world that a reconciliation has to read, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Pending,
    Preparing,
    Inspecting,
    Nowhere,
}

/// Says where to look.
pub(super) fn look(inspection: &ImageInspection, now: Timestamp) -> Look {
    let status = inspection.status.clone().unwrap_or_default();
    let unreleased = status
        .conditions
        .find(super::RELEASED)
        .is_some_and(|c| c.status != "True");
    let early = status.next_attempt_time.is_some_and(|at| at.0 > now);
    match status.phase {
        _ if inspection.metadata.deletion_timestamp.is_some() => Look::Nowhere,
        Phase::Pending if unreleased || early => Look::Nowhere,
        Phase::Pending => Look::Pending,
        Phase::Preparing => Look::Preparing,
        Phase::Inspecting => Look::Inspecting,
        Phase::Inspected | Phase::Skipped | Phase::Error => Look::Nowhere,
    }
}

/// Says what to do next.
pub(super) fn decide(
    inspection: &ImageInspection,
    seen: Seen,
    max_attempts: u32,
    now: Timestamp,
) -> Plan {
    match seen {
        Seen::Nothing => settle(inspection, now),
        Seen::Pending { known, gate } => begin(known, gate),
        Seen::Preparing(Ok((role, image))) => launch(inspection, role, image, now),
        Seen::Preparing(Err(closed)) => closed.into(),
        Seen::Inspecting { job, result } => outcome(inspection, job, result, max_attempts, now),
    }
}

/// Nothing to look at: deleted, not released yet, waiting for a time, or finished.
fn settle(inspection: &ImageInspection, now: Timestamp) -> Plan {
    if inspection.metadata.deletion_timestamp.is_some() {
        return Plan::CleanUp;
    }
    let Some(status) = &inspection.status else {
        return Plan::Rest(None);
    };
    if status
        .conditions
        .find(super::RELEASED)
        .is_some_and(|c| c.status != "True")
    {
        return Plan::Release;
    }
    if !status.phase.is_finished() {
        return Plan::Rest(status.next_attempt_time.as_ref().map(|at| at.0));
    }
    let ttl = inspection.spec.ttl_seconds_after_finished;
    let expires = status
        .finished_time
        .as_ref()
        .zip(ttl)
        .map(|(at, ttl)| after(at.0, Duration::from_secs(ttl.into())));
    match expires {
        Some(expires) if expires <= now => Plan::Remove,
        expires => Plan::Rest(expires),
    }
}

/// An image that is known or declared needs no reading (docs/design/original.md); any other needs an account that lets us.
fn begin(known: Option<InspectedBefore>, gate: Result<(), Closed>) -> Plan {
    if let Some(known) = known {
        if let Some(facts) = known.facts {
            return Plan::AlreadyKnown(result::stored_verdict(&facts));
        }
        let stated = image::classify(&known.image);
        if let (Some(rhel), Some(first)) = (stated.rhel, stated.reasons.first()) {
            let reason = match first {
                ClassificationReason::RhelTag => "RhelTag",
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
    match gate {
        Ok(()) => Plan::Prepare,
        Err(closed) => closed.into(),
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
    let give_up = |reason, message| Plan::GiveUp { reason, message };
    match image {
        None => give_up(
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
        Some(ImageState::Unusable(state)) => give_up(
            "Unavailable",
            format!("{id} is {state}, so its disk cannot be read"),
        ),
        Some(ImageState::Available(None)) => give_up(
            "NoRootSnapshot",
            format!("the root device of {id} is no EBS snapshot, so there is nothing to read"),
        ),
        Some(ImageState::Available(Some(RootDisk {
            snapshot_id,
            encrypted: true,
        }))) => give_up(
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
        (JobState::Running, _) => return Plan::Rest(Some(after(now, MISSED_JOB))),
        (_, Some(Ok(report))) => match report.unreadable {
            None => return Plan::Record(Box::new(report)),
            Some(Unreadable {
                reason,
                message,
                permanent: true,
            }) => return Plan::GiveUp { reason, message },
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
        return Plan::GiveUp {
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

/// Returns whether images of this account can be inspected now, or the reason against it.
///
/// # Errors
/// Why not.
pub(crate) fn gate<'a>(
    name: &str,
    account: Option<&'a CloudAccount>,
) -> Result<&'a CloudAccount, Closed> {
    let closed = |reason, message| Err(Closed { reason, message });
    let Some(account) = account else {
        return closed(
            "CloudAccountNotFound",
            format!("there is no CloudAccount {name} in this namespace"),
        );
    };
    if account.metadata.deletion_timestamp.is_some() {
        return closed(
            "CloudAccountDeleted",
            format!("CloudAccount {name} is being deleted"),
        );
    }
    if account.spec.suspend {
        return closed(
            "CloudAccountSuspended",
            format!("CloudAccount {name} is suspended"),
        );
    }
    if account.spec.inspection.runner == Runner::Disabled {
        return closed(
            "InspectionDisabled",
            format!("CloudAccount {name} has spec.inspection.runner: Disabled"),
        );
    }
    if !account
        .status
        .as_ref()
        .is_some_and(|status| status.conditions.is_true("Ready"))
    {
        return closed(
            "CloudAccountNotReady",
            format!("CloudAccount {name} is not Ready; its conditions say why"),
        );
    }
    Ok(account)
}

/// How long to wait after attempt number `attempts` failed.
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

impl From<Closed> for Plan {
    fn from(Closed { reason, message }: Closed) -> Self {
        Plan::Wait {
            reason,
            message,
            until: None,
        }
    }
}

#[cfg(test)]
mod tests;
