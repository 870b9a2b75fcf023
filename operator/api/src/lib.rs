//! The custom resources of `cloudigrade.io/v1alpha1`, as the API server knows them.

// Printer columns repeat their type, which is what they are meant to do.
#![allow(clippy::duplicated_attributes)]

mod cloud_account;
mod condition;
mod image_inspection;
mod schema;

pub use cloud_account::{
    AwsSpec, CloudAccount, CloudAccountSpec, CloudAccountStatus, DeletionPolicy, ImageCounts,
    InspectionSpec, InstanceCounts, Owner, Runner, SecretKeyRef, TrailSpec, TrailStatus,
};
pub use condition::{ConditionStatus, ConditionUpdate, Conditions, same_ignoring_times};
pub use image_inspection::{
    CloudAccountRef, ImageInspection, ImageInspectionSpec, ImageInspectionStatus, Phase,
    RunnerKind, RunnerStatus, VerdictStatus,
};

/// Server-side apply field manager, and reporting controller of events.
pub const FIELD_MANAGER: &str = "cloudigrade";

/// Holds a resource until nothing of it is left in the cloud.
pub const FINALIZER: &str = "cloudigrade.io/cleanup";

/// On everything we create in Kubernetes, so that children are watched by label.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "cloudigrade");

#[cfg(test)]
mod rules_tests;
