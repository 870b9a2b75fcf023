//! `ImageInspection`: one look into one image's disk.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One look into one machine image: made by the operator for an image with no facts yet, or by hand.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "cloudigrade.io",
    version = "v1alpha1",
    kind = "ImageInspection",
    plural = "imageinspections",
    shortname = "imginsp",
    category = "cloudigrade",
    namespaced,
    status = "ImageInspectionStatus",
    derive = "PartialEq",
    doc = "One look into one machine image.",
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.imageId"),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".spec.cloudAccountRef.name"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "RHEL", type_ = "boolean", json_path = ".status.verdict.rhel"),
    printcolumn(
        name = "Distribution",
        type_ = "string",
        json_path = ".status.verdict.distribution"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.verdict.version"
    ),
    printcolumn(
        name = "Region",
        type_ = "string",
        json_path = ".spec.region",
        priority = 1
    ),
    printcolumn(
        name = "Attempts",
        type_ = "integer",
        json_path = ".status.attempts",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Inspected\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.cloudAccountRef == oldSelf.cloudAccountRef && self.imageId == oldSelf.imageId && self.region == oldSelf.region").message("cloudAccountRef, imageId and region are immutable: make another ImageInspection"))]
pub struct ImageInspectionSpec {
    /// The CloudAccount of the same namespace whose role can read the image.
    pub cloud_account_ref: CloudAccountRef,
    /// The AMI.
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^ami-[0-9a-f]{8,17}$')").message("spec.imageId must look like ami-0123456789abcdef0"))]
    pub image_id: String,
    /// The region the AMI is in.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9-]+$')").message("spec.region must look like us-east-1"))]
    pub region: String,
    /// How long a finished inspection is kept in Kubernetes; its facts stay in Postgres. For ever when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<u32>,
}

/// A CloudAccount of the same namespace.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct CloudAccountRef {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// How far an inspection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Phase {
    /// Waits for its turn, for its CloudAccount, or for the next attempt.
    #[default]
    Pending,
    /// The image is known; credentials and the Job are being made.
    Preparing,
    /// houndigrade runs.
    Inspecting,
    /// Facts are in Postgres.
    Inspected,
    /// The disk need not be read: the image's tag, name or platform already says what it is.
    Skipped,
    /// Given up; the conditions say why.
    Error,
}

impl Phase {
    /// Nothing more will happen.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Inspected | Self::Skipped | Self::Error)
    }
}

/// Observations of the operator.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInspectionStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How far it is.
    #[serde(default)]
    pub phase: Phase,
    /// `Ready` for pipelines, `Inspected` for the outcome, `ResourcesReleased` when nothing is left behind.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Findings on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictStatus>,
    /// Attempts begun.
    #[serde(default)]
    pub attempts: u32,
    /// When the next attempt begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// The runner of the current or the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerStatus>,
    /// When it was finished; `ttlSecondsAfterFinished` counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_time: Option<Time>,
}

/// Findings on the disk.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct VerdictStatus {
    /// Distribution id as os-release says it (`rhel`, `debian`), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Its version, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It counts as RHEL.
    pub rhel: bool,
    /// Why, one a piece of evidence.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// The workload that runs houndigrade.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct RunnerStatus {
    /// Its kind.
    pub kind: RunnerKind,
    /// Its name, in the namespace of inspectors.
    pub name: String,
}

/// Kinds of workloads that run houndigrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum RunnerKind {
    /// A Kubernetes Job.
    Job,
}
