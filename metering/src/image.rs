//! The rule for RHEL: images whose instances count, with the reasons. Differences from the original:
//! `docs/design/original.md#rhel`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::billing::is_red_hats;
use crate::dimension::Dimension;
use crate::rules::{self, ImageNames, RhelEvidence, RuleSet, TagEvidence};

/// The attributes of a machine image that the rule goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageAttributes {
    /// The image carries the tag `cloudigrade-rhel-present`.
    pub rhel_tag: bool,
    /// The image carries the tag `cloudigrade-ocp-present`.
    pub openshift_tag: bool,
    /// The name its owner gave it.
    pub name: Option<String>,
    /// AWS account that owns it.
    pub owner_id: Option<String>,
    /// EC2's `Platform`: `windows` or nothing.
    pub platform: Option<String>,
    /// One of its product codes is of type `marketplace`.
    pub marketplace: bool,
    /// Findings of an inspection of its disk; `None` until there was one.
    pub inspected: Option<DiskFindings>,
    /// EC2's `Architecture`, for example `x86_64` or `arm64`.
    pub architecture: Option<String>,
}

/// Findings of an inspection of an image's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFindings {
    /// There is evidence of RHEL.
    pub rhel: bool,
    /// The purpose that the system states.
    pub syspurpose: Syspurpose,
}

/// System purpose: the dimensions of usage that a system states itself. Unknown is the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syspurpose {
    /// `role`
    pub role: String,
    /// `service_level_agreement`
    pub sla: String,
    /// `usage`
    pub usage: String,
    /// `service_type`
    pub service_type: String,
}

impl Syspurpose {
    /// Reads the content of a `syspurpose.json`. It comes from a customer's disk and can be anything; only the words that
    /// [`Dimension`] knows are kept, and everything else counts as not stated.
    pub fn from_json(content: &serde_json::Value) -> Self {
        let known = |(key, dimension)| {
            let word = text(content, key).and_then(|text| Dimension::known(dimension, text));
            word.unwrap_or_default().to_owned()
        };
        let [role, sla, usage, service_type] = KEYS.map(known);
        Self {
            role,
            sla,
            usage,
            service_type,
        }
    }

    /// Counts the words of a `syspurpose.json` that are stated and not known.
    pub fn unknown_words(content: &serde_json::Value) -> usize {
        let unknown = |(key, dimension): &(&str, Dimension)| {
            text(content, key)
                .is_some_and(|text| !text.is_empty() && dimension.known(text).is_none())
        };
        KEYS.iter().filter(|key| unknown(key)).count()
    }
}

const KEYS: [(&str, Dimension); 4] = [
    ("role", Dimension::Role),
    ("service_level_agreement", Dimension::Sla),
    ("usage", Dimension::Usage),
    ("service_type", Dimension::ServiceType),
];

fn text<'a>(content: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    content.get(key).and_then(serde_json::Value::as_str)
}

/// The answer of the rule for one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// `None` while undecided: not inspected, and no other attribute decides. Not counted.
    pub rhel: Option<bool>,
    /// The reasons for the answer; empty while undecided.
    pub reasons: Vec<ClassificationReason>,
}

impl Classification {
    /// True if running instances of the image count towards RHEL usage.
    pub fn counts(&self) -> bool {
        self.rhel == Some(true)
    }
}

/// One reason for a classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassificationReason {
    /// The cloud is paid for RHEL with the instance.
    PaidThroughCloud,
    /// The cloud knows that a subscription is brought along.
    SubscriptionBrought,
    /// The customer says so by tag.
    RhelTag,
    /// The image's owner says so by tag.
    OwnerRhelTag,
    /// The customer declares it on the instance.
    Declared,
    /// A Cloud Access image: Red Hat's own, run on the customer's subscription.
    CloudAccess,
    /// Sold through a marketplace, and billed there.
    Marketplace,
    /// Windows.
    Windows,
    /// The inspection found RHEL on its disk.
    InspectedRhel,
    /// The inspection found no RHEL on its disk.
    InspectedOther,
}

impl fmt::Display for ClassificationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClassificationReason::PaidThroughCloud => "RHEL is paid through the cloud",
            ClassificationReason::SubscriptionBrought => "subscription brought along",
            ClassificationReason::OwnerRhelTag => {
                "tagged cloudigrade-rhel-present by the image's owner"
            }
            ClassificationReason::Declared => "instance tagged com_redhat_rhel",
            ClassificationReason::RhelTag => "tagged cloudigrade-rhel-present",
            ClassificationReason::CloudAccess => "Red Hat Cloud Access image",
            ClassificationReason::Marketplace => "marketplace image, billed by the marketplace",
            ClassificationReason::Windows => "Windows image",
            ClassificationReason::InspectedRhel => "inspection found RHEL",
            ClassificationReason::InspectedOther => "inspection found no RHEL",
        })
    }
}

impl ImageAttributes {
    /// Red Hat's image for customers who bring their subscription.
    pub fn is_cloud_access(&self) -> bool {
        self.is_red_hats("-access2")
    }

    /// Its price on a marketplace, or per hour from Red Hat, includes RHEL.
    pub fn is_marketplace(&self) -> bool {
        self.marketplace || self.is_red_hats("-hourly2")
    }

    fn is_red_hats(&self, name_part: &str) -> bool {
        is_red_hats(self.owner_id.as_deref(), self.name.as_deref(), name_part)
    }

    fn is_windows(&self) -> bool {
        self.platform
            .as_ref()
            .is_some_and(|platform| platform.eq_ignore_ascii_case("windows"))
    }
}

/// Classifies an image for everybody who runs it, by [`RuleSet::Original`]. Original marketplace images were never
/// inspected; here they are excluded by rule, with the same result.
pub fn classify(image: &ImageAttributes) -> Classification {
    let evidence = RhelEvidence {
        tags: TagEvidence {
            own: image.rhel_tag,
            owner: false,
        },
        windows: image.is_windows(),
        reading: image.inspected.as_ref().map(|findings| findings.rhel),
        names: ImageNames {
            owner_id: image.owner_id.as_deref(),
            name: image.name.as_deref(),
            marketplace: image.marketplace,
        },
        ..RhelEvidence::default()
    };
    rules::classify(&evidence, RuleSet::Original)
}

#[cfg(test)]
mod tests;
