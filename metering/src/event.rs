//! Observations of an instance: that it was switched, and attributes that it has or had from some time on. They come from
//! log files, from notifications of the cloud, and from looks at what runs.

use jiff::Timestamp;
use uuid::Uuid;

use crate::declared::Declaration;

/// A switch of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Power {
    On,
    Off,
}

/// The source that an observation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventSource {
    /// A call in a log file. A power-on is a start: calls that start what runs already are no events.
    Log,
    /// A notification of the cloud that the state has changed: a start, a stop.
    StateChange,
    /// The notification `running`: it is on by now, and may have been for minutes.
    Running,
    /// A look at the region.
    Look {
        /// Time of the look.
        witnessed_at: Timestamp,
        /// The event came no earlier; `None` if its time is exact.
        not_before: Option<Timestamp>,
    },
}

/// The store's key of a disk. Only equality matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskKey(pub i64);

/// The store's key of a billing code. Only equality matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingKey(pub i32);

/// Attributes that an observation tells, or that a run has. `None` is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// As in `m5.large`
    pub instance_type: Option<String>,
    /// vCPUs by the instance's CPU options; not told: as many as the type has.
    pub vcpus: Option<i16>,
    /// The root disk.
    pub disk: Option<DiskKey>,
    /// The cloud's billing code.
    pub billing: Option<BillingKey>,
    /// Tags of the instance.
    pub declared: Declaration,
}

impl Attributes {
    /// The attributes after `later` tells some of them anew.
    #[must_use]
    pub fn merge(mut self, later: &Self) -> Self {
        if later.instance_type.is_some() {
            self.instance_type.clone_from(&later.instance_type);
        }
        self.vcpus = later.vcpus.or(self.vcpus);
        self.disk = later.disk.or(self.disk);
        self.billing = later.billing.or(self.billing);
        self.declared = self.declared.merge(later.declared);
        self
    }

    /// True if nothing is told.
    pub fn tells_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// One observation of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Orders observations of the same time and kind, so that their order is always the same.
    pub id: Uuid,
    /// Time of the event, not of its being observed.
    pub at: Timestamp,
    /// Source of it.
    pub source: EventSource,
    /// The switch, if it tells one.
    pub power: Option<Power>,
    /// The attributes that it tells.
    pub told: Attributes,
}

impl Observation {
    /// True if [`Observation::told`] was so before too: a power-on and a look tell a state, anything else a change.
    pub fn tells_state(&self) -> bool {
        self.power == Some(Power::On) || matches!(self.source, EventSource::Look { .. })
    }

    /// Earliest time of the event, if its time is not exact.
    pub fn not_before(&self) -> Option<Timestamp> {
        match self.source {
            EventSource::Look { not_before, .. } => not_before,
            _ => None,
        }
    }
}

/// Namespace of ids that are made here; itself made of a name, once.
const NAMESPACE: Uuid = Uuid::from_u128(0x5b0f_6f0e_9d1c_5b1e_8a54_1f1d_7c6e_2a90);

/// The id of an event by CloudTrail or EventBridge. Theirs are UUIDs; any other text has one made of it.
pub fn event_id(text: &str) -> Uuid {
    Uuid::try_parse(text).unwrap_or_else(|_| Uuid::new_v5(&NAMESPACE, text.as_bytes()))
}

/// The id of an observation that only a look tells, made of its contents: the same look twice tells it once.
pub fn look_event_id(instance_id: &str, power: Option<Power>, at: Timestamp, told: &str) -> Uuid {
    let power = match power {
        Some(Power::On) => "on",
        Some(Power::Off) => "off",
        None => "",
    };
    let contents = format!("look\0{instance_id}\0{power}\0{at}\0{told}");
    Uuid::new_v5(&NAMESPACE, contents.as_bytes())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::{Power, event_id, look_event_id};

    #[rstest]
    #[case::cloudtrails(
        "59dbff89-35bd-4eac-99ed-be587ea1a1a1",
        "59dbff89-35bd-4eac-99ed-be587ea1a1a1"
    )]
    #[case::in_capitals(
        "59DBFF89-35BD-4EAC-99ED-BE587EA1A1A1",
        "59dbff89-35bd-4eac-99ed-be587ea1a1a1"
    )]
    fn ids_that_are_uuids_stay(#[case] text: &str, #[case] id: &str) {
        assert_eq!(event_id(text).to_string(), id);
    }

    #[test]
    fn other_ids_differ_when_their_text_does() {
        assert_eq!(event_id("e-1"), event_id("e-1"));
        assert_ne!(event_id("e-1"), event_id("e-2"));
    }

    #[test]
    fn the_same_look_has_the_same_id() {
        let at = Timestamp::UNIX_EPOCH;
        let id = look_event_id("i-1", Some(Power::On), at, "m5.large");
        assert_eq!(id, look_event_id("i-1", Some(Power::On), at, "m5.large"));
        let others = [
            look_event_id("i-2", Some(Power::On), at, "m5.large"),
            look_event_id("i-1", Some(Power::Off), at, "m5.large"),
            look_event_id("i-1", None, at, "m5.large"),
            look_event_id("i-1", Some(Power::On), at, ""),
        ];
        assert!(!others.contains(&id));
    }
}
