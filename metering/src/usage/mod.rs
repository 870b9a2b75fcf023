//! From runs to numbers: RHEL instances at once, and hours, vCPU-hours and memory-hours.

mod concurrent;
mod consumption;
mod period;

pub use concurrent::{ANY, Count, RhelRun, daily_maximum_counts, maximum_counts};
pub use consumption::{Consumption, Size, consumption};
pub use period::Period;
