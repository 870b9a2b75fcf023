//! The kind of error that a code of AWS stands for.

use cloudigrade_cloud::ErrorKind;

/// Returns the kind of an AWS error code, or of the HTTP status if the code is unknown.
pub(crate) fn error_kind(code: &str, http_status: Option<u16>) -> ErrorKind {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "UnauthorizedOperation"
        | "UnauthorizedAccess"
        | "UnrecognizedClientException"
        | "OptInRequired"
        | "InsufficientDependencyServiceAccessPermissionException" => ErrorKind::Denied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch" => ErrorKind::Credentials,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestThrottleException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "SlowDown" => ErrorKind::Throttled,
        "InsufficientS3BucketPolicyException" | "S3BucketDoesNotExistException" => {
            ErrorKind::BucketRefused
        }
        "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist" => ErrorKind::NotFound,
        "MaximumNumberOfTrailsExceededException" => ErrorKind::LimitExceeded,
        "InternalError"
        | "InternalFailure"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "Unavailable" => ErrorKind::Unavailable,
        "NoSuchKey" | "NoSuchBucket" | "NoSuchEntity" => ErrorKind::NotFound,
        _ if code.ends_with(".NotFound") || code.ends_with("NotFoundException") => {
            ErrorKind::NotFound
        }
        _ if code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException") => {
            ErrorKind::LimitExceeded
        }
        _ => match http_status {
            Some(403) => ErrorKind::Denied,
            Some(404) => ErrorKind::NotFound,
            Some(429) => ErrorKind::Throttled,
            Some(500..) => ErrorKind::Unavailable,
            _ => ErrorKind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("UnauthorizedOperation", Some(403), ErrorKind::Denied)]
    #[case("RequestLimitExceeded", Some(503), ErrorKind::Throttled)]
    #[case(
        "MaximumNumberOfTrailsExceededException",
        Some(403),
        ErrorKind::LimitExceeded
    )]
    #[case("SnapshotLimitExceeded", Some(400), ErrorKind::LimitExceeded)]
    #[case("TrailNotFoundException", Some(404), ErrorKind::NotFound)]
    #[case("InvalidSnapshot.NotFound", Some(400), ErrorKind::NotFound)]
    #[case("InvalidAMIID.Malformed", Some(400), ErrorKind::Other)]
    #[case("", Some(503), ErrorKind::Unavailable)]
    #[case("", None, ErrorKind::Other)]
    fn codes_come_before_http_statuses(
        #[case] code: &str,
        #[case] status: Option<u16>,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(error_kind(code, status), kind);
    }
}
