//! Errors as every controller words them.

use std::error::Error;

use cloudigrade_store::StoreError;

/// An error with a stable PascalCase word for conditions, events and metrics. One fault has one word, whichever
/// controller meets it.
pub trait ErrorReason: Error + Send + Sync + 'static {
    /// The word
    fn reason(&self) -> &'static str;
}

/// A call to the API server that failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct KubernetesError {
    /// The call, as a participle: `writing the status`
    pub doing: &'static str,
    /// The answer of the API server, or none
    pub source: Box<kube::Error>,
}

impl KubernetesError {
    /// Returns true when the object was changed since it was read.
    pub fn is_conflict(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.code == 409)
    }
}

impl ErrorReason for KubernetesError {
    fn reason(&self) -> &'static str {
        "KubernetesFailed"
    }
}

impl ErrorReason for StoreError {
    fn reason(&self) -> &'static str {
        "DatabaseFailed"
    }
}

/// Adds the action to an error of the API server.
pub trait KubernetesContext<T> {
    /// Wraps the error with `doing`, a participle.
    ///
    /// # Errors
    /// When `self` is one.
    fn context(self, doing: &'static str) -> Result<T, KubernetesError>;
}

impl<T> KubernetesContext<T> for kube::Result<T> {
    fn context(self, doing: &'static str) -> Result<T, KubernetesError> {
        self.map_err(|source| KubernetesError {
            doing,
            source: Box::new(source),
        })
    }
}
