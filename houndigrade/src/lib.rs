//! Says which Linux is on a disk, and whether it is RHEL, without a mount or a privilege.
//!
//! ```text
//! source ──► partition ──► filesystem ──► facts ──► verdict ──► report
//! blocks     parts         files          findings   an answer   JSON
//! ```
//! A disk comes from strangers. An inspection of any disk ends in a report: sizes, counts, loops and time are bounded, and
//! unread parts are errors in the report, never "not RHEL".

mod bytes;
mod error_chain;
pub mod facts;
pub mod filesystem;
mod inspect;
pub mod partition;
pub mod rpm;
pub mod source;
pub mod stopwatch;
#[cfg(test)]
mod test_disks;
pub mod verdict;
pub mod volume;

pub use error_chain::error_chain;
pub use filesystem::MemoryBudget;
pub use houndigrade_report as report;
pub use inspect::{Disk, inspect};
