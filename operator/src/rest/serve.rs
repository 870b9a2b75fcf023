//! Connections, and what one may cost: who is slow holds a place of many, and not for long.

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

/// Connections at the same time; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long a request may take to arrive, and a connection may lie idle.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection may last: who reads an answer slower than this loses it.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);
/// Bytes of a request line with its headers.
const HEAD_SIZE: usize = 64 * 1024;
/// How long answers in hand may take once the process is to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Serves `router` until `shutdown`, then finishes what was begun, within a limit.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    serve_on(listener, router, shutdown).await;
    Ok(())
}

pub(super) async fn serve_on(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
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
                    connection(stream, router, shutdown).await;
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
        tracing::warn!("stopping with answers in hand");
    }
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_SIZE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = std::pin::pin!(serving);
    let limited = timeout(CONNECTION_LIMIT, async {
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
