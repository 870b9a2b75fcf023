//! Numbers from facts: how many RHEL instances ran at once, and for how long instances ran.

mod concurrent;
mod explain;
mod hours;
mod runs;
#[cfg(test)]
mod tests;

pub use concurrent::{Day, concurrent, concurrent_counts};
pub use explain::{Counted, Explanation, explain};
pub(crate) use hours::UNKNOWN;
pub use hours::{By, Hours, hours};
pub use runs::{RunRow, runs};
