//! What we ask of a cloud: one narrow trait a purpose, errors that a caller can choose by, and AWS behind them.

mod access;
pub mod aws;
mod error;
mod inspection;
mod instance_types;
mod inventory;
mod objects;
mod queue;
mod trails;

pub use access::Access;
pub use error::{CloudError, Kind};
pub use inspection::{Credentials, Delivery, ImageState, InspectionCloud, RootDisk};
pub use instance_types::{InstanceType, InstanceTypes};
pub use inventory::{Image, Instance, Inventory, Power};
pub use objects::{Object, ObjectError, Objects};
pub use queue::{Message, Queue, VISIBILITY};
pub use trails::{Trail, TrailSpec, TrailStatus, Trails};
