//! One folder a custom resource, and the few things that every controller does the same way.

pub mod backoff;
pub mod cloud_account;
mod event;
pub mod finalizer;
pub mod image_inspection;
pub mod inventory;
mod log;
pub mod role;
pub mod status;
pub mod watch;
