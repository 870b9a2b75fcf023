//! Generates folders of CloudTrail log files whose truth is known, for tests and benches of everything that reads them.
//!
//! The runs of all instances come first; the records are made from them, among the noise of other services. They are
//! spread over files in no order, some late, some twice, and some files are damaged. Nothing here uses the code that
//! reads such files. The same [`Config`] gives the same bytes, and each account can be made alone, so that threads can
//! share the work.

mod account;
mod calls;
mod config;
mod disks;
mod envelope;
mod files;
mod lives;
mod noise;
mod numbers;
mod random;
mod truth;

pub use account::GeneratedAccount;
pub use config::Config;
pub use disks::GeneratedDisk;
pub use files::{GeneratedFile, GeneratedFiles};
pub use numbers::{TrueHours, size};
pub use truth::{Daily, GeneratedRun, Totals, Truth};

#[cfg(test)]
mod tests;
