//! The rule for RHEL: images whose instances count, with the reasons. Differences from the original:
//! `docs/design/original.md#rhel`.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// Longest value kept, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Reads the content of a `syspurpose.json`. It comes from a customer's disk and can be anything; everything but a
    /// string in an object counts as not stated.
    pub fn from_json(content: &serde_json::Value) -> Self {
        let value = |key| {
            let text = content
                .get(key)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default();
            text.chars().take(Self::MAX_LENGTH).collect()
        };
        Self {
            role: value("role"),
            sla: value("service_level_agreement"),
            usage: value("usage"),
            service_type: value("service_type"),
        }
    }
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
    /// The customer says so by tag.
    RhelTag,
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
            ClassificationReason::RhelTag => "tagged cloudigrade-rhel-present",
            ClassificationReason::CloudAccess => "Red Hat Cloud Access image",
            ClassificationReason::Marketplace => "marketplace image, billed by the marketplace",
            ClassificationReason::Windows => "Windows image",
            ClassificationReason::InspectedRhel => "inspection found RHEL",
            ClassificationReason::InspectedOther => "inspection found no RHEL",
        })
    }
}

/// AWS accounts from which Red Hat publishes images: China, GovCloud, everywhere else.
const RED_HAT_OWNERS: [&str; 3] = ["841258680906", "219670896067", "309956199498"];

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
        self.owner_id
            .as_deref()
            .is_some_and(|owner| RED_HAT_OWNERS.contains(&owner))
            && self
                .name
                .as_ref()
                .is_some_and(|name| name.to_lowercase().contains(name_part))
    }

    fn is_windows(&self) -> bool {
        self.platform
            .as_ref()
            .is_some_and(|platform| platform.eq_ignore_ascii_case("windows"))
    }
}

/// Classifies an image. The first rule that applies decides:
/// 1. the customer's tag and Red Hat's Cloud Access naming: RHEL, regardless of the rest;
/// 2. a marketplace image: not counted, because it is paid for there, even if its disk holds RHEL;
/// 3. Windows: not RHEL;
/// 4. the inspection of its disk.
///
/// All reasons for RHEL are given, not just the first. The original had no rule 2: it never inspected marketplace
/// images, with the same result for them.
pub fn classify(image: &ImageAttributes) -> Classification {
    let inspected_rhel = image.inspected.as_ref().map(|findings| findings.rhel);
    let stated = [
        (image.rhel_tag, ClassificationReason::RhelTag),
        (image.is_cloud_access(), ClassificationReason::CloudAccess),
    ];
    let mut reasons: Vec<_> = stated
        .into_iter()
        .filter_map(|(applies, reason)| applies.then_some(reason))
        .collect();
    if !reasons.is_empty() {
        reasons
            .extend((inspected_rhel == Some(true)).then_some(ClassificationReason::InspectedRhel));
        return Classification {
            rhel: Some(true),
            reasons,
        };
    }
    let decided = |rhel, reason| Classification {
        rhel: Some(rhel),
        reasons: vec![reason],
    };
    if image.is_marketplace() {
        return decided(false, ClassificationReason::Marketplace);
    }
    if image.is_windows() {
        return decided(false, ClassificationReason::Windows);
    }
    match inspected_rhel {
        Some(true) => decided(true, ClassificationReason::InspectedRhel),
        Some(false) => decided(false, ClassificationReason::InspectedOther),
        None => Classification {
            rhel: None,
            reasons,
        },
    }
}

#[cfg(test)]
mod tests;
