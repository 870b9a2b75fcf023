//! Errors of a cloud.

use crate::ExternalId;

/// Kinds of errors, by the reaction of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The identity may not do this; the owner of the account has to allow it.
    Denied,
    /// The operator's own credentials, or a session that has ended, are not accepted.
    Credentials,
    /// Too many calls; later it will do.
    Throttled,
    /// The thing is not there.
    NotFound,
    /// CloudTrail may not write to the bucket, or there is none.
    BucketRefused,
    /// The account has as many of these as it may.
    LimitExceeded,
    /// No answer in time.
    Timeout,
    /// No connection, or the service itself is in trouble.
    Unavailable,
    /// Any other error; the code names it.
    Other,
}

/// A call to a cloud that failed: which, how, and in the cloud's own words why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {code}: {message}")]
pub struct CloudError {
    /// Kind, by which a caller reacts
    pub kind: ErrorKind,
    /// Service, as in `ec2`
    pub service: &'static str,
    /// Operation, as in `DescribeInstances`
    pub operation: &'static str,
    /// The cloud's word for it, as in `UnauthorizedOperation`
    pub code: String,
    /// The cloud's sentence about it
    pub message: String,
}

impl CloudError {
    /// Stable PascalCase word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self.kind {
            ErrorKind::Denied => "AccessDenied",
            ErrorKind::Credentials => "CredentialsRefused",
            ErrorKind::Throttled => "Throttled",
            ErrorKind::NotFound => "NotFound",
            ErrorKind::BucketRefused => "TrailBucketRefused",
            ErrorKind::LimitExceeded => "LimitExceeded",
            ErrorKind::Timeout => "Timeout",
            ErrorKind::Unavailable => "CloudUnavailable",
            ErrorKind::Other => "CloudError",
        }
    }

    /// Returns the error without `external_id`, which AWS may have repeated.
    #[must_use]
    pub fn masking(mut self, external_id: &ExternalId) -> Self {
        self.code = external_id.mask(&self.code);
        self.message = external_id.mask(&self.message);
        self
    }

    /// Label of the metric that counts calls.
    pub fn outcome(&self) -> &'static str {
        match self.kind {
            ErrorKind::Denied | ErrorKind::Credentials => "denied",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Timeout => "timeout",
            _ => "error",
        }
    }
}
