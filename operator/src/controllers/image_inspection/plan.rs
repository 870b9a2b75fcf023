//! The steps that an inspection can take.

use jiff::Timestamp;

use super::eligibility::Ineligible;
use super::result::InspectionResult;
use cloudigrade_api::VerdictStatus;
use cloudigrade_cloud::IamRole;

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// None until something changes, or until then.
    Requeue(Option<Timestamp>),
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
    /// The Job runs; look again then, in case its end is missed.
    AwaitJob(Timestamp),
    /// Its outcome cannot be read or written now, because of an error; the attempt goes on.
    Stall {
        reason: &'static str,
        message: String,
        until: Timestamp,
    },
    /// The attempt failed in a way that may pass.
    Retry {
        reason: &'static str,
        message: String,
        at: Timestamp,
    },
    /// Keep the facts, for all who use the image.
    Record(Box<InspectionResult>),
    /// The content of the disk was known before.
    AlreadyKnown(VerdictStatus),
    /// The disk need not be read.
    Skip {
        reason: &'static str,
        verdict: VerdictStatus,
    },
    /// No further attempt would change it.
    Fail {
        reason: &'static str,
        message: String,
    },
    /// Delete the things that the last attempt left.
    Release,
    /// They can't be deleted now, because of an error.
    RetryRelease {
        reason: &'static str,
        message: String,
        until: Timestamp,
    },
    /// It was kept long enough.
    Delete,
    /// It is being deleted: delete all that was made for it, then its finalizer.
    Cleanup,
}

impl From<Ineligible> for Plan {
    fn from(Ineligible { reason, message }: Ineligible) -> Self {
        Self::Wait {
            reason,
            message,
            until: None,
        }
    }
}
