//! The rule table for runs that count, those of RHEL that is brought along, and the standing of everybody's tags and
//! readings.
//!
//! The answer is an organization's own: an account's tags count for that account, and for all only if it owns the image;
//! facts read by an image's owner or by the platform count for all, any other reader's for its own organization. A disk
//! never changes, so honest readers can't disagree.

use jiff::Timestamp;

use crate::billing::{Billing, BillingClass, is_red_hats};
use crate::declared::Declaration;
use crate::image::{Classification, ClassificationReason};

/// The table that is gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSet {
    /// Billing of the cloud first.
    Current,
    /// The original's, by names and product codes of the image, for comparison: `docs/design/original.md#rhel`.
    Original,
}

/// Names of an image; only [`RuleSet::Original`] goes by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ImageNames<'a> {
    pub owner_id: Option<&'a str>,
    pub name: Option<&'a str>,
    /// One of its product codes is of type `marketplace`.
    pub marketplace: bool,
}

/// RhelEvidence that bears on one run of one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RhelEvidence<'a> {
    /// Tags for RHEL on the image.
    pub tags: TagEvidence,
    /// Tags of the instance.
    pub declared: Declaration,
    /// [`Billing::first_told`] of the run, its image and the image's name.
    pub billing: Billing,
    /// The image is Windows.
    pub windows: bool,
    /// RHEL is on the disk, by the reading that counts; `None` if none does.
    pub reading: Option<bool>,
    /// Names of the image.
    pub names: ImageNames<'a>,
}

/// Whose tag for RHEL an image carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagEvidence {
    /// That of the account that runs it.
    pub own: bool,
    /// That of the account that owns it.
    pub owner: bool,
}

/// Selects the tags of an image that count for an account, from all accounts that have set the tag on it.
pub fn tags_that_count<'a>(
    set_by: impl IntoIterator<Item = &'a str>,
    account: &str,
    image_owner: Option<&str>,
) -> TagEvidence {
    let mut tags = TagEvidence::default();
    for setter in set_by {
        tags.own |= setter == account;
        tags.owner |= Some(setter) == image_owner;
    }
    tags
}

/// A reader of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    /// Account with whose rights the disk was read.
    pub account: &'a str,
    /// It is the account that the operator lives in.
    pub platform: bool,
    /// Organization that it was metered for at the time.
    pub organization: Option<i32>,
}

/// The standing of a reader with an organization, most believed first. Anybody else has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReaderStanding {
    /// The operator's own account.
    Platform,
    /// The owner of the disk.
    Owner,
    /// An account metered for the same organization: a company's accounts share their images.
    SameOrganization,
}

/// Returns the standing of a reader with an organization.
pub fn standing(
    reader: Reader<'_>,
    disk_owner: Option<&str>,
    organization: i32,
) -> Option<ReaderStanding> {
    if reader.platform {
        Some(ReaderStanding::Platform)
    } else if disk_owner == Some(reader.account) {
        Some(ReaderStanding::Owner)
    } else {
        (reader.organization == Some(organization)).then_some(ReaderStanding::SameOrganization)
    }
}

/// Selects the reading that counts: the newest of the most believed readers.
pub fn reading_that_counts<R>(
    readings: impl IntoIterator<Item = (R, ReaderStanding, Timestamp)>,
) -> Option<R> {
    let best = readings
        .into_iter()
        .min_by_key(|(_, standing, at)| (*standing, std::cmp::Reverse(*at)));
    best.map(|(reading, ..)| reading)
}

/// Says whether a run counts. The first row that applies decides; a yes names every ground for it.
///
/// | [`RuleSet::Current`] | counts |
/// |---|---|
/// | paid through the cloud: no tag undoes an invoice | no |
/// | the cloud knows of a subscription that is brought along | yes |
/// | tagged by the account · by the image's owner · declared on the instance | yes |
/// | Windows | no |
/// | read: RHEL · something else | yes · no |
/// | else | not known |
///
/// | [`RuleSet::Original`] | counts |
/// |---|---|
/// | tagged · Cloud Access by its name | yes |
/// | on the marketplace · hourly by its name | no |
/// | Windows | no |
/// | read: RHEL · something else | yes · no |
pub fn classify(evidence: &RhelEvidence<'_>, rules: RuleSet) -> Classification {
    let (grounds, paid) = match rules {
        RuleSet::Current => current(evidence),
        RuleSet::Original => original(evidence),
    };
    let read = evidence.reading.map(|rhel| match rhel {
        true => ClassificationReason::InspectedRhel,
        false => ClassificationReason::InspectedOther,
    });
    let decided = |rhel, reasons| Classification {
        rhel: Some(rhel),
        reasons,
    };
    let mut grounds: Vec<_> = grounds
        .into_iter()
        .filter_map(|(applies, reason)| applies.then_some(reason))
        .collect();
    match paid {
        // The original's customer had the last word; an invoice has it now.
        Some(reason) if rules == RuleSet::Current || grounds.is_empty() => {
            return decided(false, vec![reason]);
        }
        _ => {}
    }
    if grounds.is_empty() && evidence.windows {
        return decided(false, vec![ClassificationReason::Windows]);
    }
    if grounds.is_empty() && evidence.reading != Some(true) {
        return Classification {
            rhel: evidence.reading,
            reasons: Vec::from_iter(read),
        };
    }
    grounds.extend(read.filter(|_| evidence.reading == Some(true)));
    decided(true, grounds)
}

/// Grounds for yes other than the disk, and the ground of a bill.
type Grounds = (
    [(bool, ClassificationReason); 4],
    Option<ClassificationReason>,
);

fn current(evidence: &RhelEvidence<'_>) -> Grounds {
    let class = evidence.billing.class;
    let grounds = [
        (
            class == BillingClass::Byos,
            ClassificationReason::SubscriptionBrought,
        ),
        (evidence.tags.own, ClassificationReason::RhelTag),
        (
            evidence.tags.owner && !evidence.tags.own,
            ClassificationReason::OwnerRhelTag,
        ),
        (
            evidence.declared.names_rhel(),
            ClassificationReason::Declared,
        ),
    ];
    let paid = class == BillingClass::Payg;
    (
        grounds,
        paid.then_some(ClassificationReason::PaidThroughCloud),
    )
}

fn original(evidence: &RhelEvidence<'_>) -> Grounds {
    let ImageNames {
        owner_id,
        name,
        marketplace,
    } = evidence.names;
    let tagged = evidence.tags.own || evidence.tags.owner;
    let grounds = [
        (tagged, ClassificationReason::RhelTag),
        (
            is_red_hats(owner_id, name, "-access2"),
            ClassificationReason::CloudAccess,
        ),
        (false, ClassificationReason::OwnerRhelTag),
        (false, ClassificationReason::Declared),
    ];
    let paid = marketplace || is_red_hats(owner_id, name, "-hourly2");
    (grounds, paid.then_some(ClassificationReason::Marketplace))
}

/// The next thing to do about a disk for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// Ask the cloud for its description.
    Describe,
    /// Have it read.
    Read,
    /// Nothing: the answer is known.
    Settled,
    /// Nothing any more: the cloud does not know it.
    Unavailable,
}

/// Number of descriptions that are asked for before an image counts as unavailable to an account.
pub const DESCRIBE_ATTEMPTS: u16 = 7;

/// Returns the next thing to do about a disk, of which descriptions were asked for `attempts` times in vain.
pub fn next_step(described: bool, attempts: u16, classification: &Classification) -> DiskStep {
    match (described, classification.rhel) {
        (false, _) if attempts < DESCRIBE_ATTEMPTS => DiskStep::Describe,
        (_, Some(_)) => DiskStep::Settled,
        (true, None) => DiskStep::Read,
        (false, None) => DiskStep::Unavailable,
    }
}

#[cfg(test)]
mod tests;
