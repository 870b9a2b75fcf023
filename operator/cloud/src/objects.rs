//! Objects in buckets.

use crate::CloudError;

/// An object and which version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Identifies the content among earlier and later ones under the same key
    pub etag: String,
    /// Its content
    pub bytes: Vec<u8>,
}

/// An object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is none under this key.
    #[error("there is no such object")]
    Missing,
    /// It is larger than the reader takes.
    #[error("the object is larger than {limit} bytes")]
    TooLarge {
        /// Largest size taken, in bytes
        limit: usize,
    },
    /// The cloud did not give it.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The connection broke while it was being read.
    #[error("reading the object broke off: {0}")]
    Interrupted(String),
}

/// A store of objects.
pub trait Objects: Send + Sync {
    /// Reads an object of at most `limit` bytes into memory.
    fn get(
        &self,
        bucket: &str,
        key: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Object, ObjectError>> + Send;
}
