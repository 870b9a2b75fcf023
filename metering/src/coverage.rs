//! Disagreements between the disk, the customer and the bill: the lines of a report that are worth money.

use serde::Serialize;

use crate::billing::BillingClass;
use crate::rules::RhelEvidence;

/// A disagreement about one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disagreement {
    /// RHEL is on the disk, and the cloud knows of nobody that is paid: a subscription must cover it.
    Unsubscribed,
    /// The cloud is paid for RHEL, and the disk holds something else.
    PaidAndNotRhel,
    /// The cloud is paid for RHEL, and the customer says that a subscription is brought along.
    PaidTwice,
}

/// Returns the disagreement within the evidence, if any. A disk that was not read, or a bill that is not known, disagrees
/// with nothing.
pub fn disagreement(evidence: &RhelEvidence<'_>) -> Option<Disagreement> {
    let said = evidence.tags.own || evidence.tags.owner || evidence.declared.names_rhel();
    match (evidence.billing.class, evidence.reading) {
        (BillingClass::None, Some(true)) => Some(Disagreement::Unsubscribed),
        (BillingClass::Payg, Some(false)) => Some(Disagreement::PaidAndNotRhel),
        (BillingClass::Payg, _) if said => Some(Disagreement::PaidTwice),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{Disagreement, disagreement};
    use crate::billing::Billing;
    use crate::rules::{RhelEvidence, TagEvidence};

    #[rstest]
    #[case::on_the_disk_and_nobody_paid(
        "RunInstances",
        Some(true),
        false,
        Some(Disagreement::Unsubscribed)
    )]
    #[case::even_if_tagged("RunInstances", Some(true), true, Some(Disagreement::Unsubscribed))]
    #[case::paid_for_nothing(
        "RunInstances:0010",
        Some(false),
        false,
        Some(Disagreement::PaidAndNotRhel)
    )]
    #[case::paid_twice("RunInstances:0010", Some(true), true, Some(Disagreement::PaidTwice))]
    #[case::paid_twice_unread("RunInstances:0010", None, true, Some(Disagreement::PaidTwice))]
    #[case::paid("RunInstances:0010", Some(true), false, None)]
    #[case::brought("RunInstances:00g0", Some(true), true, None)]
    #[case::not_rhel("RunInstances", Some(false), false, None)]
    #[case::not_read("RunInstances", None, true, None)]
    #[case::bill_not_known("", Some(true), false, None)]
    fn disagreements(
        #[case] operation: &str,
        #[case] reading: Option<bool>,
        #[case] tagged: bool,
        #[case] expected: Option<Disagreement>,
    ) {
        let evidence = RhelEvidence {
            billing: Billing::of_aws(operation, "", &[]),
            reading,
            tags: TagEvidence {
                own: tagged,
                owner: false,
            },
            ..RhelEvidence::default()
        };
        assert_eq!(disagreement(&evidence), expected);
    }
}
