//! Folders of CloudTrail log files whose truth is known, for tests and benches of everything that reads them.
//!
//! First it is decided when which instance runs; the records are made from that, among the noise of other
//! services. They are spread over files in no order, some come late, some twice, some files are damaged.
//! Nothing here uses the code that reads such files. The same [`Config`] gives the same bytes, and each
//! account can be made alone, so that threads can share the work.

mod calls;
mod config;
mod envelope;
mod files;
mod lives;
mod noise;
mod random;
mod truth;

pub use config::Config;
pub use files::{Account, File, Files};
pub use truth::{Daily, Run, Totals, Truth};

#[cfg(test)]
mod tests;
