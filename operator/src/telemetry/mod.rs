//! Logs, metrics and health of the process.

mod health;
mod logs;
mod metrics;

pub use health::{DATABASE, Health, KUBERNETES, QUEUE, STUCK, serve};
pub use logs::{LogFormat, start_logging};
pub use metrics::{KindLabel, Metrics, OutcomeLabel, ReasonLabel, RequestLabel};
