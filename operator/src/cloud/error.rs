//! What a cloud answers when it does not do what was asked.

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The identity may not do this; the owner of the account has to allow it.
    Denied,
    /// The operator's own credentials, or a session that has ended, are not accepted.
    Credentials,
    /// Too many calls; later it will do.
    Throttled,
    /// The thing is not there.
    NotFound,
    /// The account has as many of these as it may.
    LimitExceeded,
    /// No answer in time.
    Timeout,
    /// No connection, or the service itself is in trouble.
    Unavailable,
    /// Anything else: the code says what.
    Other,
}

impl Kind {
    /// What an error code of AWS, or failing that an HTTP status, stands for (§2.7, and codes met since).
    pub(super) fn of(code: &str, http_status: Option<u16>) -> Self {
        match code {
            "AccessDenied"
            | "AccessDeniedException"
            | "AuthFailure"
            | "UnauthorizedOperation"
            | "UnauthorizedAccess"
            | "UnrecognizedClientException"
            | "OptInRequired"
            | "InsufficientDependencyServiceAccessPermissionException" => Self::Denied,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch" => Self::Credentials,
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestThrottleException"
            | "TooManyRequestsException"
            | "EC2ThrottledException"
            | "SlowDown" => Self::Throttled,
            "MaximumNumberOfTrailsExceededException" => Self::LimitExceeded,
            "InternalError"
            | "InternalFailure"
            | "InternalServerException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "Unavailable" => Self::Unavailable,
            "NoSuchKey" | "NoSuchBucket" | "NoSuchEntity" => Self::NotFound,
            _ if code.ends_with(".NotFound") || code.ends_with("NotFoundException") => {
                Self::NotFound
            }
            _ if code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException") => {
                Self::LimitExceeded
            }
            _ => match http_status {
                Some(403) => Self::Denied,
                Some(404) => Self::NotFound,
                Some(429) => Self::Throttled,
                Some(500..) => Self::Unavailable,
                _ => Self::Other,
            },
        }
    }
}

/// A call to a cloud that failed: which, how, and in the cloud's own words why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service} {operation}: {code}: {message}")]
pub struct CloudError {
    /// What a caller can do about it
    pub kind: Kind,
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
            Kind::Denied => "AccessDenied",
            Kind::Credentials => "CredentialsRefused",
            Kind::Throttled => "Throttled",
            Kind::NotFound => "NotFound",
            Kind::LimitExceeded => "LimitExceeded",
            Kind::Timeout => "Timeout",
            Kind::Unavailable => "CloudUnavailable",
            Kind::Other => "CloudError",
        }
    }

    /// Label of the metric that counts calls.
    pub(super) fn outcome(&self) -> &'static str {
        match self.kind {
            Kind::Denied | Kind::Credentials => "denied",
            Kind::Throttled => "throttled",
            Kind::Timeout => "timeout",
            _ => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("UnauthorizedOperation", Some(403), Kind::Denied)]
    #[case("RequestLimitExceeded", Some(503), Kind::Throttled)]
    #[case(
        "MaximumNumberOfTrailsExceededException",
        Some(403),
        Kind::LimitExceeded
    )]
    #[case("SnapshotLimitExceeded", Some(400), Kind::LimitExceeded)]
    #[case("TrailNotFoundException", Some(404), Kind::NotFound)]
    #[case("InvalidSnapshot.NotFound", Some(400), Kind::NotFound)]
    #[case("InvalidAMIID.Malformed", Some(400), Kind::Other)]
    #[case("", Some(503), Kind::Unavailable)]
    #[case("", None, Kind::Other)]
    fn codes_come_before_http_statuses(
        #[case] code: &str,
        #[case] status: Option<u16>,
        #[case] kind: Kind,
    ) {
        assert_eq!(Kind::of(code, status), kind);
    }
}
