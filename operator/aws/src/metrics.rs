//! Metrics of calls to AWS.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A call to AWS and its outcome: `ok`, `throttled`, `denied`, `timeout`, `error`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct AwsCall {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) outcome: &'static str,
}

/// Number and duration of calls. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct AwsMetrics {
    requests: Family<AwsCall, Counter>,
    seconds: Family<AwsCall, Histogram, fn() -> Histogram>,
}

impl AwsMetrics {
    /// Registers `aws_requests` and `aws_request_seconds` in `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "aws_requests",
            "Calls to AWS, by outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "aws_request_seconds",
            "Duration of calls to AWS",
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(crate) fn record(&self, call: AwsCall, duration: Duration) {
        self.seconds
            .get_or_create(&call)
            .observe(duration.as_secs_f64());
        self.requests.get_or_create(&call).inc();
    }
}

impl Default for AwsMetrics {
    /// Metrics in no registry, for tests and one-off commands.
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.005, 2.0, 14))
            }),
        }
    }
}
