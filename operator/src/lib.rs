//! cloudigrade: meters Linux use in public clouds from Kubernetes.
//!
//! The folders follow the data: custom resources ([`api`]) are reconciled ([`controllers`]) by asking a cloud ([`cloud`]);
//! log files come in ([`ingest`]), what they mention is looked up ([`lookup`]), facts are kept ([`store`]) and told ([`report`]).

pub mod api;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod controllers;
pub mod ingest;
pub mod leader;
pub mod lookup;
pub mod observe;
pub mod replay;
pub mod report;
pub mod rest;
pub mod secret;
pub mod store;
