//! One folder a custom resource, and the few things that every controller does the same way.

pub mod backoff;
pub mod client;
pub mod cloud_account;
pub mod error;
mod event;
pub mod finalizer;
pub mod image_inspection;
pub mod inventory;
pub mod probe;
pub mod role;
pub mod runtime;
pub mod status;
pub mod watch;
