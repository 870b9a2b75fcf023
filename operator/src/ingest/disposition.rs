//! The decision about a message once its files are done.

use std::time::Duration;

use super::message::MessageError;

/// Attempts before a message is given up; the queue's redrive policy has to allow as many
/// (docs/design/original.md#queues).
pub(super) const MAX_RECEIVES: u32 = 5;
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
    /// Decides by the error of a message and the number of times it was received.
    pub(super) fn of(error: Option<&MessageError>, receives: u32) -> Self {
        match error {
            None => Self::Ack,
            Some(error) if error.is_outage() => Self::Outage(retry_after(receives)),
            Some(error) if error.is_permanent() || receives >= MAX_RECEIVES => Self::DeadLetter,
            Some(_) => Self::Retry(retry_after(receives)),
        }
    }
}

/// Returns 15 s, 1 min, 4 min, 16 min: an outage of a quarter of an hour costs no message.
pub(super) fn retry_after(receives: u32) -> Duration {
    FIRST_RETRY * 4_u32.pow(receives.clamp(1, MAX_RECEIVES) - 1)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ingest::{FileError, NotificationError};
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

    #[rstest]
    #[case::no_error(None, 9, Disposition::Ack)]
    #[case::may_pass(Some(slow()), 1, Disposition::Retry(Duration::from_secs(15)))]
    #[case::may_pass_once_more(Some(slow()), 4, Disposition::Retry(Duration::from_secs(960)))]
    #[case::too_often(Some(slow()), 5, Disposition::DeadLetter)]
    #[case::permanent(Some(no_notification()), 1, Disposition::DeadLetter)]
    #[case::outage(Some(no_database()), 9, Disposition::Outage(Duration::from_secs(3840)))]
    fn decisions(
        #[case] error: Option<MessageError>,
        #[case] receives: u32,
        #[case] expected: Disposition,
    ) {
        assert_eq!(Disposition::of(error.as_ref(), receives), expected);
    }

    #[test]
    fn retries_come_ever_later() {
        let waits = [1, 2, 3, 4].map(|n| retry_after(n).as_secs());
        assert_eq!(waits, [15, 60, 240, 960]);
    }
}
