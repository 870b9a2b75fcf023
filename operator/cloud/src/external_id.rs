//! The external id that a customer's trust policy asks for.

use std::str::FromStr;

use crate::Secret;

/// Shortest and longest that AWS takes, in characters.
const LENGTH: std::ops::RangeInclusive<usize> = 2..=1224;
/// Its stand-in in text.
const MASK: &str = "***";

/// An external id that AWS can take; the secret between a customer and us. AWS repeats one that it can't take in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalId(Secret);

/// The text is no external id. The error does not show it: it may be any secret, of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an external id has 2 to 1224 characters: letters without accents, digits and + = , . @ : / - _"
)]
pub struct InvalidExternalId;

impl ExternalId {
    /// One made of a number; of a random number, it is nobody's.
    pub fn of_number(number: u128) -> Self {
        Self(Secret::new(format!("{number:032x}")))
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns `text` without the external id.
    pub fn mask(&self, text: &str) -> String {
        text.replace(self.expose(), MASK)
    }
}

impl FromStr for ExternalId {
    type Err = InvalidExternalId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@:/-_".contains(&byte);
        match LENGTH.contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(Self(Secret::new(text))),
            false => Err(InvalidExternalId),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::short("aB", true)]
    #[case::all_kinds("a_Z09+=,.@:/-", true)]
    #[case::longest(&"x".repeat(1224), true)]
    #[case::too_long(&"x".repeat(1225), false)]
    #[case::too_short("a", false)]
    #[case::empty("", false)]
    #[case::blank("two words", false)]
    #[case::line_end("id\n", false)]
    #[case::json(r#"{"password":"hunter2"}"#, false)]
    #[case::pem("-----BEGIN-PRIVATE-KEY-----\nMIIE", false)]
    #[case::accent("idé", false)]
    fn only_what_aws_takes_is_an_external_id(#[case] text: &str, #[case] valid: bool) {
        let parsed = text.parse::<ExternalId>();
        assert_eq!(parsed.is_ok(), valid);
        if let Err(error) = parsed
            && text.len() > 1
        {
            assert!(!error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn texts_are_masked_wherever_the_id_stands() {
        let id: ExternalId = "hunter2".parse().unwrap();
        assert_eq!(id.mask("'hunter2' is not hunter2."), "'***' is not ***.");
        assert_eq!(format!("{id:?}"), "ExternalId(***)");
    }
}
