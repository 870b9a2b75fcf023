//! `cloudigrade run`

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::config::RunConfig;
use crate::observe::{self, Health, Metrics};

/// Runs the chosen roles until SIGTERM or until one of them cannot go on.
pub(super) async fn run(config: RunConfig) -> Result<(), CommandError> {
    observe::logs();
    let shutdown = CancellationToken::new();
    let health = Health::default();
    let mut registry = Registry::default();
    let _metrics = Metrics::new(&mut registry);
    observe::serve(config.listen, health, registry, shutdown).await?;
    Ok(())
}
