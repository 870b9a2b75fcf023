//! One replica reconciles at a time: the holder of a Lease. It goes on through an absence of the API server for as long as no
//! other replica can have taken the Lease.

mod lease;
mod term;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use lease::{LEASE, Move, Sighting};

pub use term::{Term, TermEnded};

const NAME: &str = "cloudigrade";
/// Time between two renewals, and between two attempts.
const RETRY: Duration = Duration::from_secs(2);
/// Time without a renewal after which a leader stops: before another one may take the Lease, so that it stops in time.
const RENEW_DEADLINE: Duration = Duration::from_secs(15);
/// Longest call.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Leadership that could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// Another replica leads now.
    #[error("replica {0} has the Lease {NAME} now")]
    Taken(String),
    /// The Lease could not be renewed in time.
    #[error("the Lease {NAME} could not be renewed for {} s: {error}", RENEW_DEADLINE.as_secs())]
    NotRenewed {
        /// The last one
        error: String,
    },
}

/// A replica that leads or would.
pub struct Candidate {
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    seen: Sighting,
    term: Term,
}

/// An attempt to get or to keep the Lease.
enum Attempt {
    Held,
    HeldBy(String),
    Failed(String),
}

impl Candidate {
    /// A replica named `identity`; the Lease is in `namespace`.
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            seen: Sighting::default(),
            term: Term::default(),
        }
    }

    /// Waits until this replica leads; returns its term. Tries for ever: the API server may be away.
    pub async fn acquire(&mut self) -> Term {
        let (namespace, identity) = (&self.namespace, &self.identity);
        tracing::info!(namespace, identity, "waiting for leadership");
        loop {
            let asked = Instant::now();
            match self.attempt().await {
                Attempt::Held => {
                    self.term.extend(asked + LEASE);
                    return self.term.clone();
                }
                Attempt::HeldBy(holder) => tracing::debug!(holder, "another replica leads"),
                Attempt::Failed(error) => {
                    let namespace = &self.namespace;
                    tracing::warn!(namespace, error, "getting the Lease {NAME}; trying again");
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Renews the Lease; returns once it is lost, and with it the term.
    pub async fn lost(&mut self) -> LeaderError {
        let mut renewed = Instant::now();
        let lost = loop {
            let mut error = "no answer".to_owned();
            match timeout_at(renewed + RENEW_DEADLINE, self.renew(&mut error)).await {
                Ok(Ok(at)) => renewed = at,
                Ok(Err(holder)) => break LeaderError::Taken(holder),
                Err(_) => break LeaderError::NotRenewed { error },
            }
        };
        self.term.end();
        lost
    }

    /// Gives the Lease back, so that the next replica need not wait for it to run out.
    ///
    /// # Errors
    /// When the API server does not do it; the Lease then runs out by itself.
    pub async fn release(self) -> kube::Result<()> {
        self.term.end();
        match self.leases.get_opt(NAME).await? {
            Some(lease) if lease::holder(&lease) == Some(&self.identity) => {
                self.patch(lease::released(&lease)).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Renews the Lease once, however many attempts it takes; returns when that was asked for, or the replica that has it.
    async fn renew(&mut self, error: &mut String) -> Result<Instant, String> {
        loop {
            sleep(RETRY).await;
            let asked = Instant::now();
            match self.attempt().await {
                Attempt::Held => {
                    self.term.extend(asked + LEASE);
                    return Ok(asked);
                }
                Attempt::HeldBy(holder) => return Err(holder),
                Attempt::Failed(why) => {
                    tracing::warn!(error = why, "renewing the Lease {NAME}; trying again");
                    *error = why;
                }
            }
        }
    }

    async fn attempt(&mut self) -> Attempt {
        match timeout(CALL_TIMEOUT, self.try_attempt()).await {
            Ok(Ok(None)) => Attempt::Held,
            Ok(Ok(Some(holder))) => Attempt::HeldBy(holder),
            Ok(Err(error)) => Attempt::Failed(error.to_string()),
            Err(_) => Attempt::Failed("the API server does not answer".into()),
        }
    }

    /// Returns the holder, if it is another replica.
    async fn try_attempt(&mut self) -> kube::Result<Option<String>> {
        let lease = self.leases.get_opt(NAME).await?;
        let now = Timestamp::now();
        let next = self
            .seen
            .decide(lease.as_ref(), &self.identity, Instant::now());
        match (next, lease) {
            (Move::Wait(holder), _) => return Ok(Some(holder)),
            (Move::Renew, Some(lease)) => self.patch(lease::renewed(&lease, now)).await?,
            (_, Some(lease)) => {
                let taken = lease::taken(&lease, &self.identity, now);
                self.patch(taken).await?
            }
            (_, None) => {
                let lease = lease::created(NAME, &self.identity, now);
                self.leases.create(&PostParams::default(), &lease).await?
            }
        };
        Ok(None)
    }

    async fn patch(&self, patch: serde_json::Value) -> kube::Result<Lease> {
        let params = PatchParams::default();
        self.leases.patch(NAME, &params, &Patch::Merge(patch)).await
    }
}

#[cfg(test)]
mod tests;
