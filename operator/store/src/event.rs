//! An event of an instance as it is recorded, and the words its kinds have in SQL.

use jiff::Timestamp;
use metering::cloudtrail::EventKind;

use super::accounts::AccountKey;

/// One event of one instance, from a log or from discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The account of the instance
    pub account: AccountKey,
    /// CloudTrail's `eventID`, or `discovery:…`; recorded once an instance, however often it comes
    pub event_id: String,
    /// The cloud's id of the instance
    pub instance_id: String,
    /// Where the instance is
    pub region: String,
    /// Image it was launched from, if known
    pub image_id: Option<String>,
    /// Kind
    pub kind: EventKind,
    /// Time; kept to the microsecond
    pub at: Timestamp,
    /// Instance type from then on, if the event tells
    pub instance_type: Option<String>,
}

pub(crate) fn kind_to_sql(kind: EventKind) -> &'static str {
    match kind {
        EventKind::PowerOn => "power_on",
        EventKind::PowerOff => "power_off",
        EventKind::AttributeChange => "attribute_change",
    }
}

/// Reads a word that [`kind_to_sql`] wrote; a constraint of the table allows no other.
pub(crate) fn kind_from_sql(word: &str) -> EventKind {
    match word {
        "power_on" => EventKind::PowerOn,
        "power_off" => EventKind::PowerOff,
        _ => EventKind::AttributeChange,
    }
}
