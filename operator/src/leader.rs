//! One replica reconciles at a time: the holder of a Lease.

use std::time::Duration;

use kube::Config;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};

use crate::controllers::client;

const LEASE: &str = "cloudigrade";
/// Seconds until a dead leader's Lease can be taken.
const LEASE_SECONDS: u64 = 20;
/// Seconds before the end of the lease when it is renewed; a renewal that takes longer ends the leadership.
const GRACE_SECONDS: u64 = 10;
/// Below the grace, so that a silent API server is an error while the Lease is still ours.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Leadership that could not be acquired or kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The Lease could not be reached when starting.
    #[error("reaching the Lease {LEASE} in namespace {namespace}: {source}")]
    Reach {
        /// Namespace of the Lease
        namespace: String,
        /// The answer of the API server, or none
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another replica leads now, or renewal failed. The process ends: two leaders are worse than a restart.
    #[error("this replica no longer leads ({0}); restart")]
    Lost(String),
}

/// The right to reconcile, for as long as [`Leadership::lost`] does not return.
pub struct Leadership(LeaseManager);

impl Leadership {
    /// Waits until this replica, named `identity`, holds the Lease.
    ///
    /// # Errors
    /// When the Lease can't be read or created at all: a missing permission, a wrong namespace.
    pub async fn acquire(
        config: Config,
        namespace: &str,
        identity: &str,
    ) -> Result<Self, LeaderError> {
        let reach = |source: Box<dyn std::error::Error + Send + Sync>| LeaderError::Reach {
            namespace: namespace.to_owned(),
            source,
        };
        let client = client::with_timeout(config, CALL_TIMEOUT).map_err(|e| reach(e.into()))?;
        let manager = LeaseManagerBuilder::new(client, LEASE)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(LEASE_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await
            .map_err(|e| reach(e.into()))?;
        tracing::info!(namespace, identity, "waiting for leadership");
        loop {
            match manager.changed().await {
                Ok(true) => return Ok(Self(manager)),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "acquiring the Lease; trying again");
                    tokio::time::sleep(CALL_TIMEOUT).await;
                }
            }
        }
    }

    /// Renews the Lease; returns the reason once it is lost.
    pub async fn lost(&self) -> LeaderError {
        loop {
            match self.0.changed().await {
                Ok(true) => {}
                Ok(false) => return LeaderError::Lost("another replica took the Lease".into()),
                Err(error) => {
                    return LeaderError::Lost(format!("renewing the Lease failed: {error}"));
                }
            }
        }
    }

    /// Gives the Lease back, so that the next replica need not wait for it to run out.
    ///
    /// # Errors
    /// When the API server cannot be reached; the Lease then runs out by itself.
    pub async fn release(self) -> Result<(), LeaseManagerError> {
        self.0.release().await
    }
}
