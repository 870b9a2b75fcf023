//! `CloudAccount`: one customer account to meter.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One customer's cloud account to meter: apply it, wait for `Ready`, read the report.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "cloudigrade.io",
    version = "v1alpha1",
    kind = "CloudAccount",
    plural = "cloudaccounts",
    shortname = "clount",
    category = "cloudigrade",
    namespaced,
    status = "CloudAccountStatus",
    derive = "PartialEq",
    doc = "One customer's cloud account to meter.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name: at most 63 characters, because it becomes a label"),
    printcolumn(name = "Account", type_ = "string", json_path = ".status.accountId"),
    printcolumn(name = "Org", type_ = "string", json_path = ".spec.owner.orgId"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Running", type_ = "integer", json_path = ".status.instances.running"),
    printcolumn(name = "RHEL images", type_ = "integer", json_path = ".status.images.rhel"),
    printcolumn(name = "Pending images", type_ = "integer", json_path = ".status.images.pending", priority = 1),
    printcolumn(name = "Last event", type_ = "date", json_path = ".status.lastEventTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct CloudAccountSpec {
    /// The organization that its usage belongs to. To move an account to another one, delete it and apply it anew.
    #[x_kube(validation = Rule::new("self.orgId == oldSelf.orgId").message("spec.owner.orgId is immutable: usage already recorded belongs to this organization; delete the CloudAccount and apply a new one"))]
    pub owner: Owner,

    /// The AWS account and how to reach it.
    #[x_kube(validation = Rule::new("self.roleArn.split(':')[4] == oldSelf.roleArn.split(':')[4]").message("spec.aws.roleArn: the account number is immutable; delete the CloudAccount and apply one for the other account"))]
    pub aws: AwsSpec,

    /// How images are looked into.
    #[serde(default)]
    pub inspection: InspectionSpec,

    /// Stops metering without forgetting anything: the trail is removed, open runs are closed, history stays.
    #[serde(default)]
    pub suspend: bool,

    /// The fate of the trail in the customer's account when this resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Seconds between two looks at the account when nothing changes: access, trail and what runs there. 300 to 604800.
    #[serde(default = "default_resync_interval_seconds")]
    #[schemars(range(min = 300, max = 604_800))]
    pub resync_interval_seconds: u32,
}

fn default_resync_interval_seconds() -> u32 {
    3600
}

/// The organization that usage is counted for.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Organization id; usage is reported by it.
    #[schemars(length(min = 1, max = 64))]
    pub org_id: String,
    /// The older account number, kept for those who still bill by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub account_number: Option<String>,
}

/// An AWS account, reached by assuming a role in it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.externalId) != has(self.externalIdSecretRef)").message("spec.aws: set exactly one of externalId and externalIdSecretRef"))]
#[x_kube(validation = Rule::new("!has(self.externalId) || self.externalId.matches('^[A-Za-z0-9_+=,.@:/-]+$')").message("spec.aws.externalId: letters without accents, digits and + = , . @ : / - _ only, as AWS asks"))]
pub struct AwsSpec {
    /// ARN of the role to assume, in any partition.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$')").message("spec.aws.roleArn must look like arn:aws:iam::123456789012:role/NAME (CG1004): a role, not a user, with the 12-digit account number"))]
    pub role_arn: String,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
    /// A Secret of the same namespace that holds the external id, and says so by the type `cloudigrade.io/external-id` or by the
    /// label `cloudigrade.io/external-id: "true"`; no other Secret is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id_secret_ref: Option<SecretKeyRef>,
    /// Only these regions are looked at when discovering what runs; all enabled ones when empty.
    /// The trail records every region in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 32)))]
    pub regions: Vec<String>,
    /// The CloudTrail trail.
    #[serde(default)]
    pub trail: TrailSpec,
}

/// A key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// The trail that the operator keeps in the customer's account.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct TrailSpec {
    /// Its name; `cloudigrade-<account id>` when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128))]
    pub name: Option<String>,
    /// Take over a trail of that name that writes to another bucket. Otherwise such a trail is left alone and reported.
    #[serde(default)]
    pub adopt: bool,
}

/// How images are looked into.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct InspectionSpec {
    /// Where houndigrade runs.
    #[serde(default)]
    pub runner: Runner,
}

/// Where houndigrade runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Runner {
    /// As a Kubernetes Job beside the resource.
    #[default]
    Job,
    /// Nowhere: images count by tag, name and marketplace alone.
    Disabled,
}

/// The fate of the trail when the resource is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The trail is deleted.
    #[default]
    Delete,
    /// The trail is left as it is, and goes on writing.
    Retain,
}

/// Observations of the operator.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudAccountStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `AccessVerified`, `TrailConfigured` and `Discovered` make up `Ready`; `EventsFlowing` informs.
    #[serde(default)]
    #[schemars(schema_with = "super::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The 12-digit AWS account, as proven by the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The trail as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<TrailStatus>,
    /// Instances of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<InstanceCounts>,
    /// Images that they were launched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageCounts>,
    /// Since when usage counts; events before are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled_at: Option<Time>,
    /// Time of the newest recorded event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_time: Option<Time>,
    /// When what runs was last looked at through the cloud's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_discovery_time: Option<Time>,
    /// When the account will be looked at again without a cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_time: Option<Time>,
    /// Passes that failed in a row; what the next wait grows by.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The trail in the customer's account.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrailStatus {
    /// Its ARN.
    pub arn: String,
    /// The region it was made in.
    pub home_region: String,
    /// The bucket it writes to.
    pub bucket: String,
}

/// How many instances.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct InstanceCounts {
    /// Ever seen.
    pub known: i64,
    /// Running now.
    pub running: i64,
    /// Known from a log only, so that nobody knows their image yet: they count as what they are, unknown.
    #[serde(default)]
    pub unidentified: i64,
}

/// How many images.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
pub struct ImageCounts {
    /// Ever used by an instance of this account.
    pub known: i64,
    /// Not described by the cloud, yet or for ever: no name, no owner, no tags.
    #[serde(default)]
    pub unidentified: i64,
    /// Not inspected yet.
    pub pending: i64,
    /// RHEL, by inspection, tag or name.
    pub rhel: i64,
    /// Could not be read.
    pub error: i64,
}
