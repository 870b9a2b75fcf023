//! Errors of a reconciliation.

use crate::controllers::error::{ErrorReason, KubernetesError};
use crate::controllers::role::RoleError;
use cloudigrade_cloud::CloudError;
use cloudigrade_store::StoreError;

/// A pass over an ImageInspection that could not be finished. It is repeated later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server refused or was not there.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// So did Postgres.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// So did the cloud.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The CloudAccount does not lead to a role.
    #[error(transparent)]
    IamRole(#[from] RoleError),
    /// Somebody else's Job has the name.
    #[error("Job {0} exists, but not for this inspection; delete it")]
    ForeignJob(String),
    /// An earlier Job of the same name is not gone yet.
    #[error("Job {0} of a try that was cut off is being deleted")]
    JobLeaving(String),
}

impl ErrorReason for Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Kubernetes(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Cloud(error) => error.reason(),
            Self::IamRole(error) => error.reason(),
            Self::ForeignJob(_) => "ForeignJob",
            Self::JobLeaving(_) => "JobLeaving",
        }
    }
}

impl Error {
    /// Returns true when the object was changed since it was read. The change triggers the next reconciliation.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Kubernetes(error) if error.is_conflict())
    }
}
