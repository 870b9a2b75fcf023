//! Descriptions of images and instance types, as a cloud gives them.

/// A machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ImageDescription {
    /// `ami-…`
    pub id: String,
    pub name: Option<String>,
    /// Account that owns it
    pub owner_id: Option<String>,
    pub architecture: Option<String>,
    pub windows: bool,
    /// Sold on the marketplace, by its product codes
    pub marketplace: bool,
    /// Carries the tag `cloudigrade-rhel-present`
    pub rhel_tag: bool,
    /// Carries the tag `cloudigrade-ocp-present`
    pub openshift_tag: bool,
}

/// An instance type and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// As in `m5.large`
    pub name: String,
    /// vCPUs, unless an instance asks for fewer
    pub vcpus: i32,
    /// Memory in MiB
    pub memory_mib: i64,
}
