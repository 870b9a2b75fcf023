//! AWS: own identity, sessions in customers' accounts, and what is asked of each service.

mod access;
mod arn;
mod client;
mod inspection;
mod instance_types;
mod inventory;
mod objects;
mod queue;
mod session;
mod trails;

pub use arn::{InvalidRoleArn, RoleArn};
pub use client::Aws;
pub use inspection::Inspections;
pub use objects::S3Objects;
pub use queue::SqsQueue;
pub use session::{Policy, Role, Session};
