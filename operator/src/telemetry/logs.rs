//! The log of the process.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors
    #[default]
    Json,
    /// One line of text an event, for people
    Text,
}

/// Starts logging to stderr; `RUST_LOG` overrides `filter`.
pub fn start_logging(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let ansi = std::io::stderr().is_terminal();
    let layer = layer(format, ansi, filter, std::io::stderr);
    // Fails only when already set, as in tests.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

fn layer<W>(
    format: LogFormat,
    ansi: bool,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter.and(filter_fn(may_be_logged));
    let logs = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => logs.with_ansi(ansi).with_filter(filter).boxed(),
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    }
}

/// The SDK prints whole requests and answers below `info`: external ids, credentials of sessions.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("aws_") || *metadata.level() <= Level::INFO
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use rstest::rstest;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[rstest]
    #[case("trace")]
    #[case("info,aws_smithy_runtime::client::orchestrator=trace")]
    fn no_filter_prints_what_is_sent_to_aws(#[case] filter: &str) {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = layer(LogFormat::Json, false, EnvFilter::new(filter), move || {
            writer.clone()
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "aws_smithy_runtime::client::orchestrator", "ExternalId=acme");
            tracing::warn!(target: "aws_smithy_runtime::client::orchestrator", "slow");
            tracing::info!(target: "cloudigrade_aws::client", "ours");
        });
        let log = String::from_utf8(buffer.0.lock().clone()).unwrap();
        assert!(!log.contains("acme"), "{log}");
        assert!(log.contains("slow") && log.contains("ours"), "{log}");
    }
}
