//! Connections and their limits: a slow client holds one of many places, and only for seconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionLimits {
    /// Connections at the same time; further ones wait to be accepted
    pub(super) connections: usize,
    /// Time for a request's head to arrive, and for a connection to be idle
    pub(super) head: Duration,
    /// Lifetime of a connection: an answer read more slowly is cut off
    pub(super) connection: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(10),
            connection: Duration::from_secs(300),
        }
    }
}

/// Bytes of a request line with its headers.
const HEAD_SIZE: usize = 64 * 1024;
/// Time for answers in progress after the shutdown begins.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves `router` until `shutdown`, then drains, within a limit.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    serve_on(listener, router, shutdown, ConnectionLimits::default()).await;
    Ok(())
}

pub(super) async fn serve_on(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    limits: ConnectionLimits,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    while let Some(Ok(place)) = shutdown
        .run_until_cancelled(Arc::clone(&places).acquire_owned())
        .await
    {
        let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await else {
            break;
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, shutdown) = (router.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection(stream, router, shutdown, limits).await;
                    drop(place);
                });
            }
            // Out of file descriptors, for example: others have to end first.
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!("stopping with answers in progress");
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    shutdown: CancellationToken,
    limits: ConnectionLimits,
) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let limited = timeout(limits.connection, async {
        tokio::select! {
            ended = serving.as_mut() => ended,
            () = shutdown.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    });
    if let Ok(Err(error)) = limited.await {
        tracing::debug!(%error, "a connection ended");
    }
}
