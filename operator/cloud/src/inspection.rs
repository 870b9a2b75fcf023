//! Requests of an inspection.

use std::time::Duration;

use crate::{CloudError, IamRole, Secret};

/// An image, as far as reading its disk goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// It can be used; its root disk, if that is a snapshot.
    Available(Option<RootDisk>),
    /// It will be usable later; the cloud's word for its state.
    NotYet(String),
    /// It will never be usable; the cloud's word for its state.
    Unusable(String),
}

/// The snapshot that an image's root device is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootDisk {
    /// `snap-…`
    pub snapshot_id: String,
    /// Only holders of its key can read it.
    pub encrypted: bool,
}

/// SnapshotCredentials for somebody else to use.
#[derive(Clone, Debug)]
pub struct SnapshotCredentials {
    /// Not secret by itself, but of no use to anyone else.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// The session it belongs to.
    pub session_token: Secret,
}

/// The customer's side of an inspection (describe, credentials) and our own (results).
pub trait InspectionCloud: Send + Sync + 'static {
    /// The state of `image`; `None` when the account does not know it.
    fn image(
        &self,
        role: &IamRole,
        region: &str,
        image: &str,
    ) -> impl Future<Output = Result<Option<ImageState>, CloudError>> + Send;

    /// SnapshotCredentials that can read the blocks of `snapshot` for as long as `valid` (15 minutes at least), and do nothing else.
    fn snapshot_credentials(
        &self,
        role: &IamRole,
        region: &str,
        snapshot: &str,
        valid: Duration,
    ) -> impl Future<Output = Result<SnapshotCredentials, CloudError>> + Send;

    /// A URL that takes one PUT of `key` to the results bucket for as long as `valid`.
    fn upload_url(
        &self,
        key: &str,
        valid: Duration,
    ) -> impl Future<Output = Result<Secret, CloudError>> + Send;

    /// The object `key` of the results bucket, if there is one of at most `largest` bytes.
    fn result(
        &self,
        key: &str,
        largest: usize,
    ) -> impl Future<Output = Result<Option<ResultObject>, CloudError>> + Send;

    /// Deletes `key` from the results bucket; that it is gone already is fine.
    fn delete_result(&self, key: &str) -> impl Future<Output = Result<(), CloudError>> + Send;
}

/// An object of the results bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultObject {
    /// The whole object.
    Complete(Vec<u8>),
    /// More bytes than are taken.
    TooLarge,
}
