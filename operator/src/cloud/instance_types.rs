//! How large instances of a type are.

use super::CloudError;

/// A size that instances come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// As in `m5.large`
    pub name: String,
    /// vCPUs, unless an instance asks for fewer
    pub vcpus: i32,
    /// Memory in MiB
    pub memory_mib: i64,
}

/// Describes instance types. They are the cloud's and not a customer's, so our own identity asks.
pub trait InstanceTypes: Send + Sync + 'static {
    /// Those of the types `names` that `region` has. A name it does not know does not spoil the others.
    fn instance_types(
        &self,
        region: &str,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<InstanceType>, CloudError>> + Send;
}
