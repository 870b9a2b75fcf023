//! cloudigrade: meters Linux use in public clouds from Kubernetes.
//!
//! The folders follow the data: custom resources are reconciled ([`controllers`]); log files come in ([`ingest`], [`replay`]); usage is
//! reported ([`report`]) and served ([`rest`]). The custom resources, the cloud and the database are crates of their own.

pub mod cli;
pub mod config;
pub mod controllers;
pub mod ingest;
pub mod leader;
pub mod psk;
pub mod replay;
pub mod report;
pub mod rest;
pub mod telemetry;
