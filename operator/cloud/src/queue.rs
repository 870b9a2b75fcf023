//! A queue of messages, each of which is handed out again until it is deleted.

use std::time::Duration;

use crate::CloudError;

/// One message, as handed out once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The same every time it is handed out
    pub id: String,
    /// Handle to delete it or to change its visibility, valid for this receive only
    pub receipt: String,
    /// Its content
    pub body: String,
    /// How often it was handed out, this time included
    pub receives: u32,
}

/// A queue whose messages come again until they are deleted.
pub trait Queue: Send + Sync {
    /// Takes up to ten messages, waiting up to `wait` for the first. Nobody else sees them for the length of
    /// [`VISIBILITY_TIMEOUT`].
    fn receive(
        &self,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Message>, CloudError>> + Send;

    /// Deletes up to ten messages by their receipts; gives the receipts of those that could not be.
    fn delete(
        &self,
        receipts: &[String],
    ) -> impl Future<Output = Result<Vec<String>, CloudError>> + Send;

    /// Hands a message out again when `time` has passed, at once if it is zero.
    fn change_visibility(
        &self,
        receipt: &str,
        time: Duration,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;
}

/// Time in which a received message is hidden from other consumers.
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(60);
