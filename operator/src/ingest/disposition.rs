//! The decision about a message once its files are done.

use std::time::Duration;

use super::message::MessageError;

/// Failed attempts before a message is given up. The queue's redrive policy must allow many more: it counts receives in outages too.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// Wait before the second attempt; four times as long before each further one.
const FIRST_RETRY: Duration = Duration::from_secs(15);

/// The end of a message's time with its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// All its files are recorded or ignored: delete it
    Ack,
    /// It will not succeed: keep it as a dead letter, then delete it
    DeadLetter,
    /// It comes back after this time
    Retry(Duration),
    /// It comes back after this time, and so would every other: the database does not do its work
    Outage(Duration),
}

impl Disposition {
    /// Decides by the error of a message, how often it was received, and how many attempts failed that were no outage: an outage
    /// of Postgres or S3 counts against no message, however long it is.
    pub(super) fn of(error: Option<&MessageError>, receives: u32, attempts: u32) -> Self {
        match error {
            None => Self::Ack,
            Some(error) if error.is_outage() => Self::Outage(retry_after(receives)),
            Some(error) if error.is_permanent() => Self::DeadLetter,
            Some(error) if error.is_cloud_outage() => Self::Retry(retry_after(receives)),
            Some(_) if attempts >= MAX_ATTEMPTS => Self::DeadLetter,
            Some(_) => Self::Retry(retry_after(attempts)),
        }
    }
}

/// Returns 15 s, 1 min, 4 min, 16 min, 64 min.
pub(super) fn retry_after(attempts: u32) -> Duration {
    FIRST_RETRY * 4_u32.pow(attempts.clamp(1, MAX_ATTEMPTS) - 1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ingest::{FileError, NotificationError};
    use cloudigrade_cloud::{CloudError, ErrorKind};
    use cloudigrade_store::StoreError;

    fn slow() -> MessageError {
        let key = "a".to_owned();
        FileError::Timeout { key, seconds: 45 }.into()
    }

    fn no_notification() -> MessageError {
        NotificationError::NoRecords.into()
    }

    fn no_database() -> MessageError {
        StoreError::Sql {
            doing: "reading",
            source: sqlx::Error::PoolTimedOut,
        }
        .into()
    }

    fn no_storage() -> MessageError {
        let source = CloudError {
            kind: ErrorKind::Unavailable,
            service: "s3",
            operation: "GetObject",
            code: "InternalError".into(),
            message: "We encountered an internal error.".into(),
        };
        let key = "a".to_owned();
        let source = source.into();
        FileError::Object { key, source }.into()
    }

    #[rstest]
    #[case::no_error(None, 9, 9, Disposition::Ack)]
    #[case::may_pass(Some(slow()), 1, 1, Disposition::Retry(Duration::from_secs(15)))]
    #[case::may_pass_once_more(Some(slow()), 4, 4, Disposition::Retry(Duration::from_secs(960)))]
    #[case::too_often(Some(slow()), 5, 5, Disposition::DeadLetter)]
    #[case::after_an_outage(Some(slow()), 99, 1, Disposition::Retry(Duration::from_secs(15)))]
    #[case::permanent(Some(no_notification()), 1, 1, Disposition::DeadLetter)]
    #[case::outage(
        Some(no_database()),
        9,
        9,
        Disposition::Outage(Duration::from_secs(3840))
    )]
    #[case::of_s3(
        Some(no_storage()),
        99,
        9,
        Disposition::Retry(Duration::from_secs(3840))
    )]
    fn decisions(
        #[case] error: Option<MessageError>,
        #[case] receives: u32,
        #[case] attempts: u32,
        #[case] expected: Disposition,
    ) {
        let decided = Disposition::of(error.as_ref(), receives, attempts);
        assert_eq!(decided, expected);
    }

    #[test]
    fn retries_come_ever_later() {
        let waits = [1, 2, 3, 4].map(|n| retry_after(n).as_secs());
        assert_eq!(waits, [15, 60, 240, 960]);
    }
}
