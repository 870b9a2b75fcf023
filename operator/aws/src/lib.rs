//! AWS: own identity, sessions in customers' accounts, and one file a purpose that answers a trait of `cloudigrade-cloud`.

mod access;
mod client;
mod error_kind;
mod inspection;
mod instance_types;
mod inventory;
mod metrics;
mod objects;
mod permissions;
mod queue;
mod session;
mod trails;

pub use client::Aws;
pub use inspection::Inspections;
pub use metrics::AwsMetrics;
pub use objects::S3Objects;
pub use permissions::customer_actions;
pub use queue::SqsQueue;
pub use session::{Policy, Session};
