//! The time in which a replica may write.

use std::sync::Arc;

use kube::Client;
use kube::client::{Body, ClientBuilder};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::filter::FilterLayer;

use crate::controllers::client;

/// The term of a leader, which ends by itself unless it is extended.
#[derive(Clone, Debug, Default)]
pub struct Term(Arc<Mutex<Option<Instant>>>);

/// A write of a replica that no longer leads, or can't know.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not sent: this replica's Lease has ended, and another one may lead")]
pub struct TermEnded;

impl Term {
    /// Returns true while no other replica can lead.
    pub fn lasts(&self) -> bool {
        self.0.lock().is_some_and(|end| Instant::now() < end)
    }

    pub(super) fn extend(&self, until: Instant) {
        *self.0.lock() = Some(until);
    }

    pub(super) fn end(&self) {
        *self.0.lock() = None;
    }

    /// A client for calls that sends no write once the term has ended: a process that was stopped for a while goes on where it was.
    ///
    /// # Errors
    /// As [`client::with_timeout`].
    pub fn client(&self, config: kube::Config) -> kube::Result<Client> {
        let config = client::limited(config, client::CALL_TIMEOUT);
        let term = self.clone();
        let fence = FilterLayer::new(move |request: http::Request<Body>| {
            let is_read = request.method() == http::Method::GET;
            match is_read || term.lasts() {
                true => Ok(request),
                false => Err(TermEnded),
            }
        });
        Ok(ClientBuilder::try_from(config)?.with_layer(&fence).build())
    }
}
