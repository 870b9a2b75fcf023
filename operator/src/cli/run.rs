//! `cloudigrade run`

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::CommandError;
use crate::config::{KeepDays, ProcessRole, RunConfig};
use crate::controllers::inventory;
use crate::controllers::{cloud_account, image_inspection};
use crate::ingest::{self, Ingest};
use crate::leader::Leadership;
use crate::rest::{self, Api, Gate, KubernetesGate};
use crate::telemetry::{self, Health, Metrics};
use cloudigrade_aws::{Aws, Inspections, S3Objects, SqsQueue};
use cloudigrade_store::Pool;
use cloudigrade_store::retention::{self, Pruned};

/// How long the parts may take to finish what they hold after SIGTERM; below Kubernetes' grace period of 30 s.
const DRAIN: Duration = Duration::from_secs(25);
/// How often the database is asked whether it is there.
const PING: Duration = Duration::from_secs(5);

/// How often old events are given up.
const PRUNE: Duration = Duration::from_secs(24 * 60 * 60);

/// What every part is given.
#[derive(Clone)]
struct Given {
    config: RunConfig,
    pool: Pool,
    aws: Aws,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
}

type Parts = JoinSet<Result<(), CommandError>>;

/// Runs the chosen roles until SIGTERM, or until one of them cannot go on: then all stop and its error is told.
pub(super) async fn run(config: RunConfig) -> Result<(), CommandError> {
    telemetry::logs();
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let given = Given {
        pool: cloudigrade_store::connect(
            config.database.database_url.expose(),
            config.database_connections,
        )?,
        aws: Aws::load(metrics.aws.clone()).await,
        health: Health::default(),
        shutdown: CancellationToken::new(),
        metrics,
        config,
    };

    let mut parts = Parts::new();
    given.health.expect("database");
    parts.spawn(stop_on_signal(given.shutdown.clone()));
    parts.spawn(watch_database(given.clone()));
    let served = telemetry::serve(
        given.config.listen,
        given.health.clone(),
        registry,
        given.shutdown.clone(),
    );
    parts.spawn(async { Ok(served.await?) });
    for role in &given.config.role {
        match role {
            ProcessRole::Operator => parts.spawn(operate(given.clone())),
            ProcessRole::Ingest => parts.spawn(take_in(given.clone())),
            ProcessRole::Api => parts.spawn(answer(given.clone())),
        };
    }
    let result = first_end(&mut parts).await;
    given.shutdown.cancel();
    drain(parts).await;
    result
}

/// Waits until any part ends: because it was told to, or because it cannot go on.
async fn first_end(parts: &mut Parts) -> Result<(), CommandError> {
    match parts.join_next().await {
        Some(ended) => ended.map_err(CommandError::from).flatten(),
        None => Ok(()),
    }
}

/// Lets the parts finish what they hold.
async fn drain(mut parts: Parts) {
    let all = async {
        while let Some(ended) = parts.join_next().await {
            if let Err(error) = ended.map_err(CommandError::from).flatten() {
                tracing::warn!(%error, "while stopping");
            }
        }
    };
    if timeout(DRAIN, all).await.is_err() {
        let seconds = DRAIN.as_secs();
        tracing::warn!(
            seconds,
            "stopping without waiting any longer; what was in hand is repeated at the next start"
        );
    }
}

/// SIGTERM from Kubernetes, SIGINT from a person.
async fn stop_on_signal(shutdown: CancellationToken) -> Result<(), CommandError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        () = shutdown.cancelled() => {}
    }
    Ok(())
}

/// Keeps readiness honest about the database.
async fn watch_database(given: Given) -> Result<(), CommandError> {
    while !given.shutdown.is_cancelled() {
        match cloudigrade_store::ping(&given.pool).await {
            Ok(()) => given.health.ready("database"),
            Err(error) => given.health.unready("database", error.to_string()),
        }
        tokio::select! {
            () = sleep(PING) => {}
            () = given.shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// The `ingest` role.
async fn take_in(given: Given) -> Result<(), CommandError> {
    let ingest = Ingest {
        queue: SqsQueue::new(given.aws.clone(), given.config.queue_url.clone()),
        queue_url: given.config.queue_url,
        objects: S3Objects::new(given.aws),
        pool: given.pool,
        trail_bucket: given.config.trail_bucket,
        metrics: given.metrics,
        health: given.health,
    };
    ingest::run(ingest, given.shutdown).await;
    Ok(())
}

/// The `api` role.
async fn answer(given: Given) -> Result<(), CommandError> {
    let own_account = given.aws.own_account().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the API can't tell customers which account to trust");
        None
    });
    let gate: Option<Arc<dyn Gate>> = if given.config.internal_routes {
        Some(Arc::new(KubernetesGate(kube::Client::try_default().await?)))
    } else {
        None
    };
    let router = rest::router(Api {
        pool: given.pool,
        remembered: rest::Remembered::default(),
        psks: given.config.psks,
        own_account,
        gate,
        metrics: given.metrics,
    });
    Ok(rest::serve(given.config.api_listen, router, given.shutdown).await?)
}

/// The `operator` role: wins the leadership, reconciles while it lasts.
async fn operate(given: Given) -> Result<(), CommandError> {
    given.health.expect("kubernetes");
    let config = kube::Config::infer().await?;
    let client = kube::Client::try_from(config.clone())?;
    client.apiserver_version().await?;
    // One that waits for its turn is ready too: it is there to take over.
    given.health.ready("kubernetes");
    let leadership = tokio::select! {
        won = Leadership::win(config, &given.config.namespace, &given.config.pod_name) => won?,
        () = given.shutdown.cancelled() => return Ok(()),
    };
    tracing::info!("leading");
    given.metrics.leader.set(1);
    let result = tokio::select! {
        // Whoever no longer leads stops in the middle of what it does: the next leader is at it already.
        lost = leadership.lost() => Err(lost.into()),
        () = reconcile(&given, client) => Ok(()),
    };
    given.metrics.leader.set(0);
    if let Err(error) = leadership.release().await {
        tracing::warn!(%error, "giving the Lease back; it runs out by itself");
    }
    result
}

/// What only the leader does, until `shutdown`.
async fn reconcile(given: &Given, client: kube::Client) {
    let Given {
        config,
        pool,
        aws,
        metrics,
        shutdown,
        ..
    } = given.clone();
    let namespace = config.watch_namespace.as_deref();
    let accounts = cloud_account::Context::new(
        client.clone(),
        pool.clone(),
        aws.clone(),
        config.trail_bucket.clone(),
        metrics.clone(),
    );
    let inspections = Inspections::new(aws.clone(), config.results_bucket.clone());
    let endpoint = aws.config().endpoint_url().map(str::to_owned);
    // Boxed, because an unoptimized build would keep all of it on the stack of one thread.
    tokio::join!(
        cloud_account::run(accounts, namespace, shutdown.clone()).boxed(),
        image_inspection::run(
            client.clone(),
            pool.clone(),
            inspections,
            &config,
            endpoint,
            metrics.clone(),
            shutdown.clone()
        )
        .boxed(),
        inventory::run(
            client,
            pool.clone(),
            aws,
            metrics,
            namespace,
            shutdown.clone()
        )
        .boxed(),
        shutdown.run_until_cancelled(prune_daily(pool, config.keep_days)),
    );
}

/// Gives up what is older than `keep_days`, if there is such a bound.
async fn prune_daily(pool: Pool, keep_days: Option<KeepDays>) {
    let Some(keep_days) = keep_days else { return };
    loop {
        match retention::prune(&pool, keep_days.before(Timestamp::now()), false).await {
            Ok(Pruned { log_files, events }) => {
                tracing::info!(log_files, events, "gave up what is old");
            }
            Err(error) => tracing::warn!(%error, "giving up what is old; tried again in a day"),
        }
        sleep(PRUNE).await;
    }
}
