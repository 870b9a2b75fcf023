//! The one way to run a controller. A controller says how to reconcile one object ([`Reconciler`]); this adds all that is
//! the same for every kind: objects that can't be read, spans, metrics, backoff, logs.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::events::{Event, Recorder};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::backoff::Backoff;
use super::client::Clients;
use super::error::ErrorReason;
use super::event::warning;
use super::watch::{Guarded, SharedWatch, Watchable};
use crate::telemetry::{KindLabel, Metrics, ReasonLabel};
use cloudigrade_api::FIELD_MANAGER;

/// Objects of a kind reconciled at once; each mostly waits for others.
const CONCURRENCY: u16 = 16;

/// The part of a controller that differs by kind.
pub trait Reconciler: Send + Sync + 'static {
    /// Name of the kind in spans and metrics
    const KIND: &'static str;
    /// The custom resource
    type Object: Watchable;
    /// The error of a reconciliation that could not even write a status
    type Error: ErrorReason;

    /// Brings `object` closer to its spec, and says when to come back. An error is logged, counted, and repeated with growing waits.
    fn reconcile(
        &self,
        object: &Self::Object,
        now: Timestamp,
    ) -> impl Future<Output = Result<Action, Self::Error>> + Send;
}

/// Everything that controllers share.
#[derive(Clone)]
pub struct Runtime {
    /// For calls; each has a time limit
    pub client: Client,
    /// Counters
    pub metrics: Metrics,
    /// Ends every controller once its reconciliations in progress have ended
    pub shutdown: CancellationToken,
    watch_client: Client,
    namespace: Option<String>,
    recorder: Recorder,
}

impl Runtime {
    /// Controllers of `namespace`, or of all namespaces, until `shutdown`.
    pub fn new(
        clients: Clients,
        namespace: Option<String>,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            recorder: Recorder::new(clients.calls.clone(), FIELD_MANAGER.into()),
            client: clients.calls,
            watch_client: clients.watches,
            namespace,
            metrics,
            shutdown,
        }
    }

    /// The watch of a kind. Make one a kind, and share it.
    pub fn watch<K: Watchable>(&self) -> SharedWatch<K> {
        SharedWatch::new(&self.watch_client, self.namespace.as_deref())
    }

    /// The API of a kind in `namespace` that only one controller watches, such as its Jobs.
    pub fn watched_api<K: Watchable>(&self, namespace: &str) -> kube::Api<K> {
        kube::Api::namespaced(self.watch_client.clone(), namespace)
    }

    /// Runs `controller`, made of the streams that trigger it, until shutdown.
    pub async fn run_controller<R: Reconciler>(
        &self,
        controller: Controller<Guarded<R::Object>>,
        reconciler: R,
    ) {
        let context = Arc::new(Running {
            runtime: self.clone(),
            reconciler,
            backoff: Backoff::default(),
        });
        controller
            .with_config(Config::default().concurrency(CONCURRENCY))
            .graceful_shutdown_on(self.shutdown.clone().cancelled_owned())
            .run(reconcile, error_policy, context)
            .for_each(async |outcome| log(outcome))
            .await;
    }

    /// Repeats `round` every `period` until shutdown, for work that is not about one object; `kind` names it in logs and metrics.
    pub async fn run_rounds<E: ErrorReason, F: Future<Output = Result<(), E>>>(
        &self,
        kind: &'static str,
        period: Duration,
        mut round: impl FnMut() -> F,
    ) {
        let rounds = async {
            loop {
                let span = info_span!("round", kind, trace_id = trace_id());
                if let Err(error) = round().instrument(span.clone()).await {
                    self.count_failure(kind, &error);
                    let reason = error.reason();
                    span.in_scope(|| tracing::warn!(reason, %error, "the round was cut short; the next one repeats it"));
                }
                tokio::time::sleep(period).await;
            }
        };
        self.shutdown.run_until_cancelled(rounds).await;
    }

    /// Publishes an event about `object`. A failure to do so is logged and changes nothing else.
    pub async fn publish_event<K>(&self, object: &K, event: &Event)
    where
        K: Resource<DynamicType = ()>,
    {
        if let Err(error) = self.recorder.publish(event, &object.object_ref(&())).await {
            tracing::warn!(%error, "publishing an event");
        }
    }

    /// Counts a failure by its reason.
    pub fn count_failure(&self, kind: &'static str, error: &impl ErrorReason) {
        let reason = error.reason();
        let label = ReasonLabel { kind, reason };
        self.metrics.reconcile_errors.get_or_create(&label).inc();
    }
}

impl Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A controller at work.
struct Running<R> {
    runtime: Runtime,
    reconciler: R,
    backoff: Backoff,
}

async fn reconcile<R: Reconciler>(
    object: Arc<Guarded<R::Object>>,
    context: Arc<Running<R>>,
) -> Result<Action, R::Error> {
    let span = info_span!(
        "reconcile",
        kind = R::KIND,
        namespace = object.namespace(),
        name = object.name_any(),
        trace_id = trace_id(),
    );
    // Boxed: the SDK's futures are large, and kube moves this one several times.
    Box::pin(context.reconcile(&object)).instrument(span).await
}

impl<R: Reconciler> Running<R> {
    async fn reconcile(&self, object: &Guarded<R::Object>) -> Result<Action, R::Error> {
        let runtime = &self.runtime;
        let valid = match &object.0 {
            Ok(valid) => valid,
            Err(invalid) => {
                let error = &invalid.error;
                tracing::warn!(%error, "this version cannot read the resource and leaves it alone");
                let note =
                    format!("this version cannot read the resource and leaves it alone: {error}");
                runtime
                    .publish_event(object, &warning("Invalid", note))
                    .await;
                return Ok(Action::await_change());
            }
        };
        let begun = Instant::now();
        let result = self.reconciler.reconcile(valid, Timestamp::now()).await;
        let label = KindLabel { kind: R::KIND };
        runtime.metrics.reconciles.get_or_create(&label).inc();
        let seconds = begun.elapsed().as_secs_f64();
        runtime
            .metrics
            .reconcile_seconds
            .get_or_create(&label)
            .observe(seconds);
        match &result {
            Ok(_) => self.backoff.reset(&uid(object)),
            Err(error) => runtime.count_failure(R::KIND, error),
        }
        result
    }
}

/// Requeues after an error; the wait grows with each in a row.
fn error_policy<R: Reconciler>(
    object: Arc<Guarded<R::Object>>,
    _: &R::Error,
    context: Arc<Running<R>>,
) -> Action {
    Action::requeue(context.backoff.next(&uid(&*object)))
}

/// The end of a reconciliation, as kube reports it.
type Outcome<K, E> = Result<(ObjectRef<Guarded<K>>, Action), controller::Error<E, watcher::Error>>;

/// Logs how a reconciliation ended: none is swallowed.
fn log<K: Watchable, E: ErrorReason>(outcome: Outcome<K, E>) {
    match outcome {
        Ok((object, action)) => tracing::debug!(%object, ?action, "reconciled"),
        // Gone since it was put into the queue.
        Err(controller::Error::ObjectNotFound(object)) => tracing::debug!(%object, "no more there"),
        Err(controller::Error::ReconcilerFailed(error, object)) => {
            tracing::warn!(%object, reason = error.reason(), %error, "reconciling failed and will be repeated");
        }
        Err(error) => tracing::warn!(%error, "watching"),
    }
}

/// Binds the log lines of one reconciliation together.
fn trace_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}

#[cfg(test)]
mod tests;
