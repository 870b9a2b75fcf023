//! Instances and images of an account.

use jiff::Timestamp;
use metering::described::ImageDescription;

use crate::{CloudError, IamRole};

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceDescription {
    /// `i-…`
    pub id: String,
    /// Image it was launched from, if still known
    pub image_id: Option<String>,
    /// Instance type
    pub instance_type: Option<String>,
    /// Running or not
    pub state: InstanceState,
    /// Terminated: the cloud will soon forget it
    pub gone: bool,
}

/// State of an instance, as far as metering goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// It runs, since its last start.
    On {
        /// When it was started
        since: Timestamp,
    },
    /// It is about to run.
    Starting,
    /// It is stopped or gone, or about to be.
    Off {
        /// Time of the request, if known
        since: Option<Timestamp>,
    },
}

/// Describes a customer's account.
pub trait Inventory: Send + Sync + 'static {
    /// The regions that are enabled in the account.
    fn regions(
        &self,
        role: &IamRole,
    ) -> impl Future<Output = Result<Vec<String>, CloudError>> + Send;

    /// Instances of `region`: those of `ids` that are still known, or all when `ids` is empty.
    fn instances(
        &self,
        role: &IamRole,
        region: &str,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<InstanceDescription>, CloudError>> + Send;

    /// Those of the images `ids` of `region` that the account can see. An id that is gone does not spoil the others.
    fn images(
        &self,
        role: &IamRole,
        region: &str,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<ImageDescription>, CloudError>> + Send;
}
