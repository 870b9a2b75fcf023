//! The steps, one file and one condition each.

pub(super) mod access;
pub(super) mod discovery;
pub(super) mod flow;
pub(super) mod trail;

/// The account lets us in.
pub(super) const ACCESS_VERIFIED: &str = "AccessVerified";
/// The trail is as it should be.
pub(super) const TRAIL_CONFIGURED: &str = "TrailConfigured";
/// What runs is known.
pub(super) const DISCOVERED: &str = "Discovered";
/// Log files arrive.
pub(super) const EVENTS_FLOWING: &str = "EventsFlowing";
/// All of the first three.
pub(super) const READY: &str = "Ready";

/// What `Ready` sums up, in the order of the steps.
pub(super) const OF_READY: [&str; 3] = [ACCESS_VERIFIED, TRAIL_CONFIGURED, DISCOVERED];
