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
use crate::controllers::client::{self, CALL_TIMEOUT, Clients};
use crate::controllers::runtime::Runtime;
use crate::controllers::{cloud_account, image_inspection, inventory, probe};
use crate::ingest::{self, FailedAttempts, Ingest};
use crate::leader::{self, Candidate};
use crate::psk::PreSharedKeys;
use crate::rest::{self, AppState, Authorizer, KubernetesAuthorizer};
use crate::telemetry::{self, Health, Metrics};
use cloudigrade_aws::{Aws, Inspections, S3Objects, SqsQueue};
use cloudigrade_store::Pool;
use cloudigrade_store::retention::{self, Pruned};

/// Time that tasks have to finish after SIGTERM; below Kubernetes' grace period of 30 s.
const DRAIN: Duration = Duration::from_secs(25);
/// Time between two pings of the database.
const PING: Duration = Duration::from_secs(5);
/// Time between two prunings of old events.
const PRUNE: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that tasks share.
#[derive(Clone)]
struct AppContext {
    config: RunConfig,
    pool: Pool,
    aws: Aws,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
    psks: PreSharedKeys,
}

type Tasks = JoinSet<Result<(), CommandError>>;

/// Runs the chosen process roles until SIGTERM, or until one of them can't go on: then all stop, and its error is returned.
pub(super) async fn run(config: RunConfig) -> Result<(), CommandError> {
    let psks = config.psks.expose().parse();
    let psks = psks.map_err(|error: String| format!("--psks (CLOUDIGRADE_PSKS): {error}"))?;
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let context = AppContext {
        pool: cloudigrade_store::connect(
            config.database.database_url.expose(),
            config.database_connections,
        )?,
        aws: Aws::load(metrics.aws.clone()).await,
        health: Health::default(),
        shutdown: CancellationToken::new(),
        metrics,
        psks,
        config,
    };

    let mut tasks = Tasks::new();
    context.health.expect(telemetry::DATABASE);
    tasks.spawn(stop_on_signal(context.shutdown.clone()));
    tasks.spawn(watch_database(context.clone()));
    let served = telemetry::serve(
        context.config.listen,
        context.health.clone(),
        registry,
        context.shutdown.clone(),
    );
    tasks.spawn(async { Ok(served.await?) });
    for role in &context.config.role {
        match role {
            ProcessRole::Operator => tasks.spawn(run_operator(context.clone())),
            ProcessRole::Ingest => tasks.spawn(run_ingest(context.clone())),
            ProcessRole::Api => tasks.spawn(run_api(context.clone())),
        };
    }
    let result = first_end(&mut tasks).await;
    context.shutdown.cancel();
    drain(tasks).await;
    result
}

/// Waits until any task ends, by shutdown or by an error.
async fn first_end(tasks: &mut Tasks) -> Result<(), CommandError> {
    match tasks.join_next().await {
        Some(ended) => ended.map_err(CommandError::from).flatten(),
        None => Ok(()),
    }
}

/// Lets the tasks finish, within a limit.
async fn drain(mut tasks: Tasks) {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended.map_err(CommandError::from).flatten() {
                tracing::warn!(%error, "while stopping");
            }
        }
    };
    if timeout(DRAIN, all).await.is_err() {
        let seconds = DRAIN.as_secs();
        tracing::warn!(
            seconds,
            "stopping without waiting any longer; what was under way is repeated at the next start"
        );
    }
}

/// Shuts down on SIGTERM, as Kubernetes sends it, and on SIGINT, as a terminal does.
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

/// Reports to readiness, every few seconds, whether the database answers.
async fn watch_database(context: AppContext) -> Result<(), CommandError> {
    while !context.shutdown.is_cancelled() {
        match cloudigrade_store::ping(&context.pool).await {
            Ok(()) => context.health.ready(telemetry::DATABASE),
            Err(error) => context
                .health
                .unready(telemetry::DATABASE, error.to_string()),
        }
        context.health.beat(telemetry::DATABASE, telemetry::STUCK);
        tokio::select! {
            () = sleep(PING) => {}
            () = context.shutdown.cancelled() => {}
        }
    }
    Ok(())
}

/// The process role `ingest`.
async fn run_ingest(context: AppContext) -> Result<(), CommandError> {
    let ingest = Ingest {
        queue: SqsQueue::new(context.aws.clone(), context.config.queue_url.clone()),
        queue_url: context.config.queue_url,
        objects: S3Objects::new(context.aws),
        pool: context.pool,
        trail_bucket: context.config.trail_bucket,
        metrics: context.metrics,
        health: context.health,
        attempts: FailedAttempts::default(),
    };
    ingest::run(ingest, context.shutdown).await;
    Ok(())
}

/// The process role `api`.
async fn run_api(context: AppContext) -> Result<(), CommandError> {
    let own_account = match account_of_queue(&context.config.queue_url) {
        Some(account) => Some(account.to_owned()),
        // An emulator's queue, or one behind a proxy.
        None => context.aws.own_account().await.map_or_else(
            |error| {
                tracing::warn!(%error, "the API can't name the account that customers are to trust");
                None
            },
            Some,
        ),
    };
    let authorizer: Option<Arc<dyn Authorizer>> = if context.config.internal_routes {
        let config = kube::Config::infer().await?;
        Some(Arc::new(KubernetesAuthorizer(client::with_timeout(
            config,
            CALL_TIMEOUT,
        )?)))
    } else {
        None
    };
    let router = rest::router(AppState {
        pool: context.pool,
        usage_cache: rest::UsageCache::default(),
        psks: context.psks,
        own_account,
        customer_actions: cloudigrade_aws::customer_actions(),
        authorizer,
        metrics: context.metrics,
    });
    Ok(rest::serve(context.config.api_listen, router, context.shutdown).await?)
}

/// The account in `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`: a process without credentials need not ask AWS for it.
fn account_of_queue(url: &str) -> Option<&str> {
    let account = url.rsplit('/').nth(1)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then_some(account)
}

/// The process role `operator`. A replica that waits for the Lease is ready: it is there to take over.
async fn run_operator(context: AppContext) -> Result<(), CommandError> {
    context.health.expect(telemetry::KUBERNETES);
    let config = kube::Config::infer().await?;
    let server = config.cluster_url.to_string();
    let namespace = context.config.watch_namespace.clone();
    let calls = client::with_timeout(config.clone(), CALL_TIMEOUT)?;
    let probing = probe::watch(calls, &server, namespace.as_deref(), context.health.clone());
    let leading = lead(&context, config);
    tokio::select! {
        ended = leading => ended,
        () = probing => Ok(()),
    }
}

/// Runs the controllers whenever this replica holds the Lease, until shutdown. Losing it ends them, and nothing else.
async fn lead(context: &AppContext, config: kube::Config) -> Result<(), CommandError> {
    let AppContext {
        shutdown, metrics, ..
    } = context;
    let client = client::with_timeout(config.clone(), leader::CALL_TIMEOUT)?;
    let RunConfig {
        namespace,
        pod_name,
        ..
    } = &context.config;
    let mut candidate = Candidate::new(client, namespace, pod_name);
    while let Some(term) = shutdown.run_until_cancelled(candidate.acquire()).await {
        tracing::info!("leading");
        metrics.leader.set(1);
        let clients = Clients::new(&config, &term)?;
        tokio::select! {
            // Aborts at once: the next leader may already be writing.
            lost = candidate.lost() => {
                tracing::warn!(%lost, "no longer leading; the controllers stop until this replica leads again");
            }
            () = run_controllers(context, clients) => {}
        }
        metrics.leader.set(0);
    }
    if let Err(error) = candidate.release().await {
        tracing::warn!(%error, "giving the Lease back; it runs out by itself");
    }
    Ok(())
}

/// Everything that only the leader does, until shutdown.
async fn run_controllers(context: &AppContext, clients: Clients) {
    let AppContext {
        config,
        pool,
        aws,
        metrics,
        shutdown,
        ..
    } = context.clone();
    let runtime = Runtime::new(
        clients,
        config.watch_namespace.clone(),
        metrics,
        shutdown.clone(),
    );
    let mut accounts = runtime.watch();
    let mut inspections = runtime.watch();
    let accounts_of_controller = accounts.subscribe();
    let account_context = cloud_account::AccountContext::new(
        runtime.clone(),
        pool.clone(),
        aws.clone(),
        config.trail_bucket.clone(),
    );
    let inspection = image_inspection::run(
        runtime.clone(),
        pool.clone(),
        Inspections::new(aws.clone(), config.results_bucket.clone()),
        inspection_settings(&config, &aws),
        inspections.subscribe(),
        accounts.subscribe(),
    );
    let rounds = inventory::run(
        runtime,
        pool.clone(),
        aws.clone(),
        accounts.store(),
        inspections.store(),
    );
    // Boxed, because an unoptimized build would keep all of it on the stack of one thread.
    tokio::join!(
        shutdown.run_until_cancelled(accounts.run()),
        shutdown.run_until_cancelled(inspections.run()),
        cloud_account::run(account_context, accounts_of_controller).boxed(),
        inspection.boxed(),
        rounds.boxed(),
        shutdown.run_until_cancelled(prune_daily(pool, config.keep_days)),
    );
}

fn inspection_settings(config: &RunConfig, aws: &Aws) -> image_inspection::Settings {
    image_inspection::Settings {
        job: image_inspection::JobSettings {
            namespace: config
                .inspections_namespace
                .clone()
                .unwrap_or_else(|| config.namespace.clone()),
            image: config.houndigrade_image.clone(),
            aws_endpoint_url: aws.config().endpoint_url().map(str::to_owned),
        },
        limits: image_inspection::Limits {
            overall: config.max_inspections,
            per_account: config.max_inspections_per_account,
        },
        max_attempts: config.max_attempts,
    }
}

/// Deletes events older than `keep_days` once a day, if there is such a limit.
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "https://sqs.us-east-1.amazonaws.com/123456789012/cloudigrade",
        Some("123456789012")
    )]
    #[case("http://10.0.0.1:5000/123456789012/cloudigrade", Some("123456789012"))]
    #[case("https://queue.example.com/cloudigrade", None)]
    #[case("", None)]
    fn the_queue_tells_the_own_account(#[case] url: &str, #[case] account: Option<&str>) {
        assert_eq!(account_of_queue(url), account);
    }
}
