//! The words that usage is counted by. They come from customers' disks and tags and can be anything; only known ones are
//! kept, so that no tenant can fill reports, caches and metrics with words of its own.

/// A dimension whose words are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// System purpose: role.
    Role,
    /// System purpose or tag: service level agreement.
    Sla,
    /// System purpose or tag: usage.
    Usage,
    /// System purpose: service type.
    ServiceType,
    /// Tag: major version of RHEL.
    Version,
    /// Tag: variant of RHEL.
    Variant,
    /// Tag: add-on.
    Addon,
}

impl Dimension {
    /// Every known word, as Red Hat's subscription services spell it.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Role => &[
                "Red Hat Enterprise Linux Server",
                "Red Hat Enterprise Linux Workstation",
                "Red Hat Enterprise Linux Compute Node",
            ],
            Self::Sla => &["Premium", "Standard", "Self-Support"],
            Self::Usage => &["Production", "Development/Test", "Disaster Recovery"],
            Self::ServiceType => &["L1-L3", "L3", "PSF", "Embedded L3"],
            Self::Version => &["5", "6", "7", "8", "9", "10"],
            Self::Variant => &["workstation", "hpc", "sap"],
            Self::Addon => &["els"],
        }
    }

    /// Returns the known word that the text spells, in any case and with spaces around it; of a version, its major part.
    pub fn known(self, text: &str) -> Option<&'static str> {
        let mut text = text.trim();
        if self == Self::Version {
            text = text.split('.').next().unwrap_or(text);
        }
        let words = self.words().iter();
        words.copied().find(|word| word.eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Dimension;

    #[rstest]
    #[case(Dimension::Sla, "Premium", Some("Premium"))]
    #[case(Dimension::Sla, " self-SUPPORT ", Some("Self-Support"))]
    #[case(Dimension::Sla, "Production", None)]
    #[case(Dimension::Sla, "", None)]
    #[case(Dimension::Usage, "development/test", Some("Development/Test"))]
    #[case(Dimension::Role, "server", None)]
    #[case(Dimension::ServiceType, "l1-l3", Some("L1-L3"))]
    #[case(Dimension::Version, "8.10", Some("8"))]
    #[case(Dimension::Version, "10", Some("10"))]
    #[case(Dimension::Version, "4", None)]
    #[case(Dimension::Version, "rhel8", None)]
    #[case(Dimension::Addon, "ELS", Some("els"))]
    fn known_words(#[case] dimension: Dimension, #[case] text: &str, #[case] word: Option<&str>) {
        assert_eq!(dimension.known(text), word);
    }
}
