//! The environment that `e2e/in` enters, as the tests see it: a cluster, a database, an AWS, customers.

mod customer;
mod emulator;
mod environment;
mod operator;
mod resources;
mod wait;

pub use customer::Customer;
pub use emulator::{Emulator, Fault};
pub use environment::{Environment, Failure, InstanceRun};
pub use operator::Operator;
pub use resources::Resources;
pub use wait::{PATIENCE, until};
