//! Errors of a step, and how a reconciliation ends because of one.

use crate::controllers::error::{ErrorReason, KubernetesError};
use crate::controllers::role::RoleError;
use cloudigrade_cloud::{CloudError, ErrorKind};
use cloudigrade_store::StoreError;
use cloudigrade_store::enrolments::Enrolment;

/// The error of a step. Codes are those of the original (`docs/design/original.md#error-codes`).
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The spec leads to no role.
    #[error(transparent)]
    IamRole(#[from] RoleError),
    /// AWS does not let us assume the role. It says the same of a role that is not there, that does not trust us, and
    /// of a wrong external id.
    #[error(
        "CG3002 {0}; check that the role exists, that it trusts the operator's account, and the external id"
    )]
    RoleRefused(CloudError),
    /// The role is in the account that the operator lives in.
    #[error(
        "the role is in the operator's own account {0}, which is not metered: name a role in a customer's account in spec.aws.roleArn"
    )]
    OwnAccount(String),
    /// The role lets in somebody who does not know the external id.
    #[error(
        "the role can be assumed {0}, so another customer could use it through the operator; its trust policy must have the condition StringEquals sts:ExternalId"
    )]
    ExternalIdNotRequired(&'static str),
    /// The role leads to another account than its ARN says.
    #[error("CG3002 the role leads to account {actual}, not to {expected} as its ARN says")]
    WrongAccount {
        /// By the ARN
        expected: String,
        /// By GetCallerIdentity
        actual: String,
    },
    /// The role may not do all that is needed, by a dry run.
    #[error("CG3003 the role's policy does not allow {}; add that to it", .0.join(", "))]
    ActionsDenied(Vec<&'static str>),
    /// The role may not make a call that was needed.
    #[error("CG3003 {0}; the role's policy must allow it")]
    Denied(CloudError),
    /// The account has as many trails as it may.
    #[error("CG3001 {0}; delete a trail that is no longer needed, or have AWS raise the limit")]
    TrailLimit(CloudError),
    /// CloudTrail can't write to our bucket.
    #[error("{0}; the policy of bucket {bucket} must let cloudtrail.amazonaws.com write to it", bucket = .1)]
    TrailBucket(CloudError, String),
    /// A trail of that name exists, and is not ours.
    #[error(
        "trail {name} exists and writes to bucket {bucket}; set spec.aws.trail.adopt to take it over, or spec.aws.trail.name to another name"
    )]
    ForeignTrail {
        /// Its name
        name: String,
        /// The bucket that it writes to
        bucket: String,
    },
    /// Some regions did not answer; the instances of the others are recorded.
    #[error("{} of {looked_at} regions could not be looked at; {}: {first}", .regions.len(), .regions.join(", "))]
    Regions {
        /// Regions that did not answer
        regions: Vec<String>,
        /// Number of all regions
        looked_at: usize,
        /// The error of the first
        first: CloudError,
    },
    /// Another call to the cloud failed.
    #[error("CG3000 {0}")]
    Cloud(#[from] CloudError),
    /// Postgres.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kubernetes.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
}

impl ErrorReason for AccountError {
    fn reason(&self) -> &'static str {
        match self {
            Self::IamRole(error) => error.reason(),
            Self::RoleRefused(_) => "RoleRefused",
            Self::OwnAccount(_) => "OwnAccount",
            Self::ExternalIdNotRequired(_) => "ExternalIdNotRequired",
            Self::WrongAccount { .. } => "WrongAccount",
            Self::ActionsDenied(_) | Self::Denied(_) => "AccessDenied",
            Self::TrailLimit(_) => "TrailLimitExceeded",
            Self::TrailBucket(..) => "TrailBucketRefused",
            Self::ForeignTrail { .. } => "ForeignTrail",
            Self::Regions { .. } => "RegionsFailed",
            Self::Cloud(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Kubernetes(error) => error.reason(),
        }
    }
}

impl AccountError {
    /// Returns true for errors that only another spec mends: trying again would not.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::IamRole(RoleError::Arn(_) | RoleError::NoExternalId) | Self::OwnAccount(_)
        )
    }

    /// Returns true for errors that say nothing about the account, whose conditions likely still hold.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cloud(error) | Self::Regions { first: error, .. } => is_transient(error),
            Self::Store(_) | Self::Kubernetes(_) | Self::IamRole(RoleError::Unreadable { .. }) => {
                true
            }
            _ => false,
        }
    }

    /// Returns true when the object was changed since it was read. The change triggers the next reconciliation.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Kubernetes(error) if error.is_conflict())
    }

    /// Returns true when the customer seems to have revoked access.
    pub fn is_lost_access(&self) -> bool {
        match self {
            Self::RoleRefused(_) | Self::Denied(_) | Self::WrongAccount { .. } => true,
            Self::IamRole(error) => !matches!(error, RoleError::Unreadable { .. }),
            _ => false,
        }
    }
}

fn is_transient(error: &CloudError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Throttled | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Credentials
    )
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct StepError {
    /// Type of the condition that it is about
    pub(super) condition: &'static str,
    /// The error
    pub(super) error: Box<AccountError>,
}

/// An end of the steps before the last one.
#[derive(Debug)]
pub(super) enum Stop {
    /// This CloudAccount, which is older, meters the account.
    Duplicate(Enrolment),
    /// A step failed.
    Failed(StepError),
}

impl From<StepError> for Stop {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// Names the condition that an error is about.
pub(super) trait ForCondition<T> {
    /// Wraps the error with the type of the condition.
    fn for_condition(self, condition: &'static str) -> Result<T, StepError>;
}

impl<T, E: Into<AccountError>> ForCondition<T> for Result<T, E> {
    fn for_condition(self, condition: &'static str) -> Result<T, StepError> {
        self.map_err(|error| StepError {
            condition,
            error: Box::new(error.into()),
        })
    }
}
