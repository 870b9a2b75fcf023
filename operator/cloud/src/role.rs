//! The role that a customer lets us assume.

use std::fmt;
use std::str::FromStr;

use crate::ExternalId;

/// A role in a customer's account and the external id its trust policy asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IamRole {
    /// Its ARN
    pub arn: RoleArn,
    /// Proves to the customer that it is us on their behalf (the "confused deputy" guard)
    pub external_id: ExternalId,
}

/// ARN of an IAM role, in any partition: `arn:aws-us-gov:iam::123456789012:role/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: String,
    account: std::ops::Range<usize>,
}

/// The text is no role's ARN (CG1004).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the ARN of a role; it must look like arn:aws:iam::123456789012:role/NAME")]
pub struct InvalidRoleArn(String);

impl RoleArn {
    /// The 12 digits of the account the role is in; leading zeros are kept.
    pub fn account_id(&self) -> &str {
        &self.text[self.account.clone()]
    }

    /// The ARN itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RoleArn {
    type Err = InvalidRoleArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, "iam", "", account, name] = parts.as_slice() else {
            return Err(InvalidRoleArn(text.to_owned()));
        };
        let valid = partition.starts_with("aws")
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && name
                .strip_prefix("role/")
                .is_some_and(|name| !name.is_empty());
        if !valid {
            return Err(InvalidRoleArn(text.to_owned()));
        }
        let start = "arn:".len() + partition.len() + ":iam::".len();
        Ok(Self {
            text: text.to_owned(),
            account: start..start + account.len(),
        })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::*;

    #[rstest]
    #[case("arn:aws:iam::012345678901:role/metering", "012345678901")]
    #[case(
        "arn:aws-us-gov:iam::210987654321:role/path/to/metering",
        "210987654321"
    )]
    #[case("arn:aws-cn:iam::210987654321:role/metering", "210987654321")]
    fn keeps_leading_zeros_and_knows_every_partition(#[case] text: &str, #[case] account: &str) {
        assert_eq!(text.parse::<RoleArn>().unwrap().account_id(), account);
    }

    #[rstest]
    #[case("")]
    #[case("arn:aws:iam::210987654321:user/someone")]
    #[case("arn:aws:iam::21098765432:role/short")]
    #[case("arn:aws:iam::210987654321:role/")]
    #[case("arn:aws:sts::210987654321:assumed-role/metering/session")]
    fn refuses_what_is_no_role(#[case] text: &str) {
        assert!(text.parse::<RoleArn>().is_err());
    }
}
