//! Ready: the sum of the steps.

use super::READY;
use cloudigrade_api::{ConditionStatus, ConditionUpdate};

/// Reason of a stop that the spec asks for.
pub(crate) const SUSPENDED: &str = "Suspended";
/// Reason of a CloudAccount that another one stands in the way of.
pub(crate) const DUPLICATE: &str = "DuplicateAccount";

/// All steps succeeded.
pub(crate) fn metering() -> ConditionUpdate {
    ConditionUpdate {
        type_: READY,
        status: ConditionStatus::True,
        reason: "Metering",
        message: "usage is metered".into(),
    }
}

/// Metering is stopped.
pub(crate) fn suspended() -> ConditionUpdate {
    let message = "nothing is metered while spec.suspend is set; what was recorded stays";
    not_ready(SUSPENDED, message.into())
}

/// The account is not ready, for `reason`.
pub(crate) fn not_ready(reason: &'static str, message: String) -> ConditionUpdate {
    ConditionUpdate {
        type_: READY,
        status: ConditionStatus::False,
        reason,
        message,
    }
}
