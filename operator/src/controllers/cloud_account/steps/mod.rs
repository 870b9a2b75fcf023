//! The steps. Each takes the result of the one before as a value, so that none can be taken without it.
//!
//! A condition is set in the file of its step, with its wording for success and suspension: `AccessVerified` in [`access`],
//! `TrailConfigured` in [`trail`], `Discovered` in [`discovery`], `EventsFlowing` in [`flow`], `Ready` in [`ready`].
//! [`super::conditions`] has the rules that are the same for all: failures, duplicates, deletion; [`super::error`] their words.

pub(super) mod access;
pub(super) mod admit;
pub(super) mod claim;
pub(super) mod discovery;
pub(super) mod flow;
pub(super) mod ready;
pub(super) mod trail;

/// The account can be accessed.
pub(super) const ACCESS_VERIFIED: &str = "AccessVerified";
/// The trail is as it should be.
pub(super) const TRAIL_CONFIGURED: &str = "TrailConfigured";
/// All running instances are known.
pub(super) const DISCOVERED: &str = "Discovered";
/// Log files arrive.
pub(super) const EVENTS_FLOWING: &str = "EventsFlowing";
/// All of the first three.
pub(super) const READY: &str = "Ready";

/// The conditions that `Ready` sums up, in the order of the steps.
pub(super) const OF_READY: [&str; 3] = [ACCESS_VERIFIED, TRAIL_CONFIGURED, DISCOVERED];
