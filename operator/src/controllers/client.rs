//! Clients of the API server, each with a limit on how long it waits for an answer.

use std::time::Duration;

use kube::{Client, Config};

use crate::leader::Term;

/// Longest silence within a call, below the 25 s that a stopping process waits for its tasks.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence within a watch. The API server ends each after the 290 s that kube asks for.
const WATCH_TIMEOUT: Duration = Duration::from_secs(320);

/// The client for calls and the one for watches, which are silent for minutes when nothing happens.
#[derive(Clone)]
pub struct Clients {
    /// For calls
    pub calls: Client,
    /// For watches and their lists
    pub watches: Client,
}

impl Clients {
    /// Builds both from one configuration; calls are those of a leader in its `term`.
    ///
    /// # Errors
    /// When the configuration can't be used: an unreadable certificate, no way to authenticate.
    pub fn new(config: &Config, term: &Term) -> kube::Result<Self> {
        Ok(Self {
            calls: term.client(config.clone())?,
            watches: with_timeout(config.clone(), WATCH_TIMEOUT)?,
        })
    }
}

/// A client that waits at most `limit` for a connection, to send, and for each part of an answer.
///
/// # Errors
/// As [`Clients::new`].
pub fn with_timeout(config: Config, limit: Duration) -> kube::Result<Client> {
    Client::try_from(limited(config, limit))
}

/// The configuration of [`with_timeout`].
pub(crate) fn limited(mut config: Config, limit: Duration) -> Config {
    config.connect_timeout = config.connect_timeout.map(|timeout| timeout.min(limit));
    config.write_timeout = Some(limit);
    config.read_timeout = Some(limit);
    // Otherwise the time a pooled connection was idle counts.
    config.reset_reader_on_write = true;
    config
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use kube::Api;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_silent_api_server_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let config = Config::new(address.parse().unwrap());
        let client = with_timeout(config, Duration::from_millis(50)).unwrap();
        let call = tokio::spawn(async move {
            Api::<Secret>::namespaced(client, "customers")
                .get("external-id")
                .await
        });
        // Accepted, and never answered.
        let _connection = listener.accept().await.unwrap();
        let error = call.await.unwrap().unwrap_err();
        assert!(
            matches!(error, kube::Error::HyperError(_) | kube::Error::Service(_)),
            "{error:?}"
        );
    }
}
