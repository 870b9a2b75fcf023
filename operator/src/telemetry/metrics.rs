//! Every metric, in one place. Labels are few and bounded: no names, no ids, no error texts.

use cloudigrade_aws::AwsMetrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The kind of a custom resource, or `instance` and `image`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[allow(missing_docs)]
pub struct KindLabel {
    pub kind: &'static str,
}

/// A failed reconciliation, by the stable word of its error.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[allow(missing_docs)]
pub struct ReasonLabel {
    pub kind: &'static str,
    pub reason: &'static str,
}

/// A request to the REST API, by the class of its status: `2xx`, `3xx`, `4xx`, `5xx`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[allow(missing_docs)]
pub struct RequestLabel {
    pub status: &'static str,
}

/// How a thing ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
#[allow(missing_docs)]
pub struct OutcomeLabel {
    pub outcome: &'static str,
}

/// Shared by every part; a clone counts into the same numbers.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Metrics {
    pub aws: AwsMetrics,
    pub reconciles: Family<KindLabel, Counter>,
    pub reconcile_errors: Family<ReasonLabel, Counter>,
    pub reconcile_seconds: Family<KindLabel, Histogram, fn() -> Histogram>,
    /// `recorded`, `duplicate`, `ignored`, `failed`, `dead_letter`
    pub queue_messages: Family<OutcomeLabel, Counter>,
    /// `event`, `tag`, and why others were skipped
    pub log_records: Family<OutcomeLabel, Counter>,
    /// `instance`, `image`: what metered accounts have and the cloud has not described
    pub unidentified: Family<KindLabel, Gauge>,
    /// Seconds from the newest event of a file to its commit.
    pub ingest_lag_seconds: Gauge,
    /// `inspected`, `skipped`, `retried`, `error`
    pub inspections: Family<OutcomeLabel, Counter>,
    pub inspections_running: Gauge,
    /// 1 on the replica that leads.
    pub leader: Gauge,
    pub api_requests: Family<RequestLabel, Counter>,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 14))
}

impl Metrics {
    /// Metrics registered in `registry` under `cloudigrade_`.
    pub fn new(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("cloudigrade");
        let metrics = Self {
            aws: AwsMetrics::new(r),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            queue_messages: Family::default(),
            log_records: Family::default(),
            unidentified: Family::default(),
            ingest_lag_seconds: Gauge::default(),
            inspections: Family::default(),
            inspections_running: Gauge::default(),
            leader: Gauge::default(),
            api_requests: Family::default(),
        };
        r.register(
            "reconciles",
            "Reconciliations of a resource",
            metrics.reconciles.clone(),
        );
        r.register(
            "reconcile_errors",
            "Reconciliations that failed, by reason",
            metrics.reconcile_errors.clone(),
        );
        r.register(
            "reconcile_seconds",
            "How long reconciliations took",
            metrics.reconcile_seconds.clone(),
        );
        r.register(
            "queue_messages",
            "Messages taken from the queue",
            metrics.queue_messages.clone(),
        );
        r.register(
            "log_records",
            "Records of log files, by what became of them",
            metrics.log_records.clone(),
        );
        r.register(
            "unidentified",
            "Instances and images known from logs only, which count as unknown",
            metrics.unidentified.clone(),
        );
        r.register(
            "ingest_lag_seconds",
            "Age of the newest event of the last recorded file",
            metrics.ingest_lag_seconds.clone(),
        );
        r.register(
            "inspections",
            "Attempts to inspect an image, by how they ended",
            metrics.inspections.clone(),
        );
        r.register(
            "inspections_running",
            "Inspections running now",
            metrics.inspections_running.clone(),
        );
        r.register(
            "leader",
            "1 while this replica leads",
            metrics.leader.clone(),
        );
        r.register(
            "api_requests",
            "Requests to the REST API, by the class of their status",
            metrics.api_requests.clone(),
        );
        metrics
    }
}

impl Default for Metrics {
    /// Metrics nobody reads, for tests.
    fn default() -> Self {
        Self::new(&mut Registry::default())
    }
}
