//! What the operator tells of itself: logs, metrics, health.

mod health;
mod metrics;

use tracing_subscriber::EnvFilter;

pub use health::{Health, serve};
pub use metrics::{KindLabel, Metrics, OutcomeLabel, ReasonLabel, RequestLabel};

/// One JSON object a line on stderr; `RUST_LOG` chooses what.
pub fn logs() {
    logs_from("info,kube=warn");
}

/// The same, with another choice where `RUST_LOG` makes none.
pub fn logs_from(choice: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(choice));
    // Fails only when already set, as in tests.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init();
}
