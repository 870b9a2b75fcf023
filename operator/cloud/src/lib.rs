//! The requests made of a cloud: one narrow trait a purpose, and errors that a caller can choose by.
//!
//! The traits are neutral in what they import, and a seam for tests. Their words are those of AWS, the only cloud so far.

mod access;
mod error;
mod external_id;
mod inspection;
mod instance_types;
mod inventory;
mod objects;
mod queue;
mod role;
mod secret;
mod trails;

pub use access::Access;
pub use error::{CloudError, ErrorKind};
pub use external_id::{ExternalId, InvalidExternalId};
pub use inspection::{ImageState, InspectionCloud, ResultObject, RootDisk, SnapshotCredentials};
pub use instance_types::InstanceTypes;
pub use inventory::{InstanceDescription, InstanceState, Inventory};
pub use objects::{Object, ObjectError, Objects};
pub use queue::{Message, Queue, VISIBILITY_TIMEOUT};
pub use role::{IamRole, InvalidRoleArn, RoleArn};
pub use secret::Secret;
pub use trails::{LoggingStatus, Trail, TrailConfiguration, Trails};
