//! What becomes of every pass, in the log: none is swallowed.

use std::error::Error;

use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::{Lookup, ObjectRef};
use kube::runtime::watcher;

/// Logs how a pass ended; `reason` is the stable word of an error.
pub(crate) fn log<K: Lookup, E: Error + 'static>(
    result: Result<(ObjectRef<K>, Action), controller::Error<E, watcher::Error>>,
    reason: fn(&E) -> &'static str,
) {
    match result {
        Ok((object, action)) => tracing::debug!(%object, ?action, "reconciled"),
        // Gone since it was put into the queue.
        Err(controller::Error::ObjectNotFound(object)) => tracing::debug!(%object, "no more there"),
        Err(controller::Error::ReconcilerFailed(error, object)) => {
            tracing::warn!(%object, reason = reason(&error), %error, "the pass failed and will be repeated");
        }
        Err(error) => tracing::warn!(%error, "watching"),
    }
}
