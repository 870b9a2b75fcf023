//! How large instances of a type are.

use metering::described::InstanceType;

use crate::CloudError;

/// Describes instance types. They are the cloud's and not a customer's, so our own identity asks.
pub trait InstanceTypes: Send + Sync + 'static {
    /// Those of the types `names` that `region` has. A name it does not know does not spoil the others.
    fn instance_types(
        &self,
        region: &str,
        names: &[String],
    ) -> impl Future<Output = Result<Vec<InstanceType>, CloudError>> + Send;
}
