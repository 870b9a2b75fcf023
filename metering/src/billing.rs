//! Billing of the operating system: its class (who is paid) and variant, as a cloud's billing fields tell.
//!
//! AWS's billing code is one bit field of four signs, not a list of words: the older billing products map to its positions
//! one to one. It is decoded by position, so that a combination to come is read right.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The party that is paid for RHEL.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BillingClass {
    /// The cloud: RHEL is in the price of the instance.
    Payg,
    /// Red Hat: the cloud knows that a subscription is brought along.
    Byos,
    /// Nobody, as far as the cloud knows: it bills no RHEL here. The disk may hold it all the same.
    None,
    /// Not told, or in a form that is not known.
    #[default]
    Unknown,
}

impl BillingClass {
    /// `payg`, `byos`, `none` or `unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payg => "payg",
            Self::Byos => "byos",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// The kind of RHEL that is billed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BillingVariant {
    /// RHEL alone, or no RHEL.
    #[default]
    #[serde(rename = "")]
    Plain,
    /// With the High Availability add-on.
    Ha,
    /// With SQL Server.
    Sql,
    /// With both.
    HaSql,
    /// For SAP.
    Sap,
}

impl BillingVariant {
    /// Empty for RHEL alone, else `ha`, `sql`, `ha_sql` or `sap`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Ha => "ha",
            Self::Sql => "sql",
            Self::HaSql => "ha_sql",
            Self::Sap => "sap",
        }
    }
}

/// The party that is paid, and the kind of RHEL that it is paid for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[allow(missing_docs)]
pub struct Billing {
    pub class: BillingClass,
    pub variant: BillingVariant,
}

impl fmt::Display for Billing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.as_str())?;
        match self.variant {
            BillingVariant::Plain => Ok(()),
            variant => write!(f, " {}", variant.as_str()),
        }
    }
}

/// Product codes of RHEL that Red Hat sells on AWS's marketplace. Such an instance can have the code of plain Linux.
const RHEL_FOR_AWS: [&str; 2] = ["6cd5fxzrad0cu2j23p692xytz", "6t1yup6mik9ng3ge36n33xqhw"];
/// The same for RHEL for SAP.
const RHEL_FOR_SAP: [&str; 2] = ["du6111oq9lwrc996awt04qyql", "952qwcsxkm430zxhpy32i7w8g"];

impl Billing {
    /// Reads the billing fields of an instance or image of EC2: `UsageOperation`, `PlatformDetails` and the ids of its
    /// product codes. Codes of RHEL sold by Red Hat itself come first, the text stands in for an operation that tells
    /// nothing. Any other seller's code says that another seller is paid too, and nothing about RHEL.
    pub fn of_aws(usage_operation: &str, platform_details: &str, product_codes: &[String]) -> Self {
        let told = match Self::of_usage_operation(usage_operation) {
            Self {
                class: BillingClass::Unknown,
                ..
            } => Self::of_platform_details(platform_details),
            told => told,
        };
        let sold = |codes: [&str; 2]| product_codes.iter().any(|code| codes.contains(&&**code));
        let variant = if sold(RHEL_FOR_SAP) {
            BillingVariant::Sap
        } else if sold(RHEL_FOR_AWS) {
            told.variant
        } else {
            return told;
        };
        Self {
            class: BillingClass::Payg,
            variant,
        }
    }

    /// Reads the name of an image of Red Hat's, for an image of which no billing field is known.
    pub fn of_image_name(owner_id: Option<&str>, name: Option<&str>) -> Self {
        let named = |part| is_red_hats(owner_id, name, part);
        let class = if named("-access2") {
            BillingClass::Byos
        } else if named("-hourly2") {
            BillingClass::Payg
        } else {
            BillingClass::Unknown
        };
        Self {
            class,
            ..Self::default()
        }
    }

    /// The first of several sources that tells anything, best first: the run's own code, its image's, its image's name.
    pub fn first_told(sources: impl IntoIterator<Item = Self>) -> Self {
        let mut sources = sources.into_iter();
        sources
            .find(|billing| billing.class != BillingClass::Unknown)
            .unwrap_or_default()
    }

    /// `RunInstances`, alone or with the field of four signs; a bill adds more after another colon for spot instances.
    fn of_usage_operation(text: &str) -> Self {
        let mut parts = text.split(':');
        if parts.next() != Some("RunInstances") {
            return Self::default();
        }
        let field = parts.next().unwrap_or("0000");
        match *field.as_bytes() {
            [ha, sql, rhel, sql_too] if field.bytes().all(|sign| sign.is_ascii_alphanumeric()) => {
                let class = match rhel {
                    b'0' => BillingClass::None,
                    b'1' => BillingClass::Payg,
                    b'g' => BillingClass::Byos,
                    _ => return Self::default(),
                };
                let billed = class != BillingClass::None;
                let sql = matches!(sql, b'1'..=b'7') || sql_too == b'4';
                Self {
                    class,
                    variant: variant(billed && ha == b'1', billed && sql),
                }
            }
            _ => Self::default(),
        }
    }

    /// The text for people. Only the two that name RHEL and the ones that name another system tell anything.
    fn of_platform_details(text: &str) -> Self {
        let class = if text.starts_with("Red Hat Enterprise Linux") {
            BillingClass::Payg
        } else if text.starts_with("Red Hat BYOL Linux") {
            BillingClass::Byos
        } else if ["Linux/UNIX", "SUSE", "Ubuntu", "Windows", "SQL Server"]
            .iter()
            .any(|other| text.starts_with(other))
        {
            return Self {
                class: BillingClass::None,
                ..Self::default()
            };
        } else {
            return Self::default();
        };
        let ha = text.ends_with(" HA");
        Self {
            class,
            variant: variant(ha, text.contains("SQL Server")),
        }
    }
}

const fn variant(ha: bool, sql: bool) -> BillingVariant {
    match (ha, sql) {
        (false, false) => BillingVariant::Plain,
        (true, false) => BillingVariant::Ha,
        (false, true) => BillingVariant::Sql,
        (true, true) => BillingVariant::HaSql,
    }
}

/// AWS accounts from which Red Hat publishes images: China, GovCloud, everywhere else.
const RED_HAT_OWNERS: [&str; 3] = ["841258680906", "219670896067", "309956199498"];

/// True if Red Hat owns the image, and its name has this part in any case.
pub(crate) fn is_red_hats(owner_id: Option<&str>, name: Option<&str>, part: &str) -> bool {
    owner_id.is_some_and(|owner| RED_HAT_OWNERS.contains(&owner))
        && name.is_some_and(|name| name.to_lowercase().contains(part))
}

#[cfg(test)]
mod tests;
