//! The operator as a customer meets it. Run by `make test`, inside the environment of `e2e/cluster`.

mod credentials;
mod queue;
mod refusals;
mod rest;
mod story;
