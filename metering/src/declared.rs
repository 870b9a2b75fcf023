//! Declarations: the tags `com_redhat_rhel…` by which a customer says of an instance that it is RHEL, and of what kind.
//! Red Hat's cost management reads the same tags.

use crate::dimension::Dimension;

/// One tag of a declaration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// Nothing is said about it.
    #[default]
    Not,
    /// It is not there, or says nothing known.
    Absent,
    /// A known word.
    Word(&'static str),
}

impl Told {
    /// The word, if it is one.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Not | Self::Absent => None,
        }
    }

    /// The text it is stored as: `*` for not told, empty for absent.
    pub fn stored(self) -> &'static str {
        match self {
            Self::Not => "*",
            Self::Absent => "",
            Self::Word(word) => word,
        }
    }

    /// Reads the stored text; a word that is not known any more is absent.
    pub fn of_stored(dimension: Dimension, text: &str) -> Self {
        match text {
            "*" => Self::Not,
            OTHER_VERSION if dimension == Dimension::Version => Self::Word(OTHER_VERSION),
            text => dimension.known(text).map_or(Self::Absent, Self::Word),
        }
    }

    fn merge(self, later: Self) -> Self {
        if later == Self::Not { self } else { later }
    }
}

/// The declaration of an instance, or a change of it: a call tells some of the tags, a look tells all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Declaration {
    /// `com_redhat_rhel`: RHEL, of this major version, or [`OTHER_VERSION`].
    pub version: Told,
    /// `com_redhat_rhel_variant`
    pub variant: Told,
    /// `com_redhat_rhel_usage`
    pub usage: Told,
    /// `com_redhat_rhel_sla`
    pub sla: Told,
    /// `com_redhat_rhel_addon`
    pub addon: Told,
}

/// The version of a declaration that names RHEL and no version that is known.
pub const OTHER_VERSION: &str = "other";

/// The tag that declares RHEL; the keys of all others begin with it.
const RHEL: &str = "com_redhat_rhel";

impl Declaration {
    /// Reads tags; a value of `None` says that the tag was taken off. `whole` says that these are all tags, so that
    /// every other one is absent. The number is that of words which are not known, and so count as absent.
    pub fn from_tags<'a>(
        tags: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        whole: bool,
    ) -> (Self, u64) {
        let mut declaration = if whole {
            Self::NOTHING
        } else {
            Self::default()
        };
        let mut unknown = 0;
        for (key, value) in tags {
            let Some((told, dimension)) = declaration.tag(key) else {
                continue;
            };
            let word = value.and_then(|value| dimension.known(value));
            unknown += u64::from(word.is_none() && value.is_some_and(|value| !value.is_empty()));
            *told = match (word, value, dimension) {
                (Some(word), ..) => Told::Word(word),
                (None, Some(_), Dimension::Version) => Told::Word(OTHER_VERSION),
                _ => Told::Absent,
            };
        }
        (declaration, unknown)
    }

    /// Nothing is declared, and that is told.
    pub const NOTHING: Self = Self {
        version: Told::Absent,
        variant: Told::Absent,
        usage: Told::Absent,
        sla: Told::Absent,
        addon: Told::Absent,
    };

    fn tag(&mut self, key: &str) -> Option<(&mut Told, Dimension)> {
        Some(match key.strip_prefix(RHEL)? {
            "" => (&mut self.version, Dimension::Version),
            "_variant" => (&mut self.variant, Dimension::Variant),
            "_usage" => (&mut self.usage, Dimension::Usage),
            "_sla" => (&mut self.sla, Dimension::Sla),
            "_addon" => (&mut self.addon, Dimension::Addon),
            _ => return None,
        })
    }

    /// The declaration after a later change.
    #[must_use]
    pub fn merge(self, later: Self) -> Self {
        Self {
            version: self.version.merge(later.version),
            variant: self.variant.merge(later.variant),
            usage: self.usage.merge(later.usage),
            sla: self.sla.merge(later.sla),
            addon: self.addon.merge(later.addon),
        }
    }

    /// True if nothing is told at all.
    pub fn tells_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// True if RHEL is declared.
    pub fn names_rhel(&self) -> bool {
        self.version.word().is_some()
    }
}

#[cfg(test)]
mod tests;
