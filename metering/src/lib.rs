//! From CloudTrail log files to numbers: records become instance events, events become runs, and runs with the attributes
//! of their images become usage.
//!
//! Everything here is a pure function. There is no I/O, no clock and no shared state; time is an argument, and input may
//! come in any order, any number of times.

pub mod billing;
pub mod cloudtrail;
pub mod coverage;
pub mod declared;
pub mod described;
pub mod dimension;
pub mod event;
pub mod finality;
#[cfg(feature = "generator")]
pub mod generator;
pub mod history;
pub mod image;
pub mod rules;
pub mod runs;
pub mod state_change;
pub mod usage;
