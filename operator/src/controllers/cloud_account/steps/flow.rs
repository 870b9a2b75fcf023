//! Flow: the arrival of log files. It informs only, because a quiet account sends nothing.

use super::EVENTS_FLOWING;
use cloudigrade_api::{ConditionStatus, ConditionUpdate};
use cloudigrade_cloud::LoggingStatus;

/// Reason of a trail that has not written anything yet.
pub(crate) const NOTHING_DELIVERED: &str = "NothingDelivered";

/// The condition by the deliveries of the trail; `None` when the role may not ask for them.
pub(crate) fn flow(status: &Option<LoggingStatus>) -> ConditionUpdate {
    let (status, reason, message) = match status {
        None => (
            ConditionStatus::Unknown,
            "NotPermitted",
            "the role does not allow cloudtrail:GetTrailStatus, so failing deliveries go unnoticed"
                .to_owned(),
        ),
        Some(LoggingStatus {
            delivery_error: Some(error),
            ..
        }) => (
            ConditionStatus::False,
            "DeliveryFailed",
            format!("CloudTrail could not write to the bucket: {error}; check the bucket's policy"),
        ),
        Some(LoggingStatus {
            last_delivery: Some(_),
            ..
        }) => (
            ConditionStatus::True,
            "Delivering",
            "CloudTrail writes log files to the bucket".to_owned(),
        ),
        Some(_) => (
            ConditionStatus::Unknown,
            NOTHING_DELIVERED,
            "no log file yet; a quiet account sends none".to_owned(),
        ),
    };
    ConditionUpdate {
        type_: EVENTS_FLOWING,
        status,
        reason,
        message,
    }
}

/// The condition of an account with a recorded event, which proves more than the trail's own word.
pub(crate) fn recorded() -> ConditionUpdate {
    ConditionUpdate {
        type_: EVENTS_FLOWING,
        status: ConditionStatus::True,
        reason: "Delivering",
        message: "CloudTrail writes log files to the bucket".into(),
    }
}

/// The condition without a trail.
pub(crate) fn suspended() -> ConditionUpdate {
    ConditionUpdate {
        type_: EVENTS_FLOWING,
        status: ConditionStatus::Unknown,
        reason: "Suspended",
        message: "there is no trail while spec.suspend is set".into(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, ConditionStatus::Unknown, "NotPermitted")]
    #[case(Some(LoggingStatus { logging: true, ..LoggingStatus::default() }), ConditionStatus::Unknown, "NothingDelivered")]
    #[case(
        Some(LoggingStatus { last_delivery: Some(Timestamp::UNIX_EPOCH), ..LoggingStatus::default() }),
        ConditionStatus::True, "Delivering"
    )]
    #[case(
        Some(LoggingStatus { last_delivery: Some(Timestamp::UNIX_EPOCH), delivery_error: Some("AccessDenied".into()), logging: true }),
        ConditionStatus::False, "DeliveryFailed"
    )]
    fn an_error_outweighs_earlier_deliveries(
        #[case] logging: Option<LoggingStatus>,
        #[case] status: ConditionStatus,
        #[case] reason: &str,
    ) {
        let change = flow(&logging);
        assert_eq!((change.status, change.reason), (status, reason));
    }
}
