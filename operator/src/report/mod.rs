//! Numbers from facts: how many RHEL instances ran at once, and for how long instances ran.

mod concurrent;
mod hours;
#[cfg(test)]
mod tests;

pub use concurrent::{Day, concurrent};
pub(crate) use hours::UNKNOWN;
pub use hours::{Hours, hours};
