//! What can go wrong in a pass.

use crate::controllers::role::RoleError;
use cloudigrade_cloud::CloudError;
use cloudigrade_store::StoreError;

/// A pass over an ImageInspection that could not be finished. It is repeated later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server refused or was not there.
    #[error("{doing}: {source}")]
    Kube {
        doing: &'static str,
        source: kube::Error,
    },
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

impl Error {
    /// Stable PascalCase word for conditions and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Kube { .. } => "KubernetesError",
            Self::Store(_) => "DatabaseError",
            Self::Cloud(error) => error.reason(),
            Self::IamRole(error) => error.reason(),
            Self::ForeignJob(_) => "ForeignJob",
            Self::JobLeaving(_) => "JobLeaving",
        }
    }

    /// Whether it belongs into the status: something there concerns whoever owns the account or the namespace.
    pub(super) fn concerns_the_user(&self) -> bool {
        matches!(
            self,
            Self::Cloud(_) | Self::IamRole(_) | Self::ForeignJob(_) | Self::JobLeaving(_)
        )
    }
}

/// Says what was being done when the API server refused.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, kube::Error> {
    fn doing(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Kube {
            doing: what,
            source,
        })
    }
}
