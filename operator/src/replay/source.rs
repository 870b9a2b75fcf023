//! Sources of a replay: folders of this machine, and buckets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::UNIX_EPOCH;

use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::ingest::{FileError, ObjectLocation};
use cloudigrade_aws::S3Objects;
use cloudigrade_cloud::{Object, ObjectError, Objects};

/// Scheme of the bucket name of a file in a folder; the folder's path follows.
const FILE: &str = "file://";
/// First folder in the keys of log files.
const LOGS: &str = "AWSLogs";

/// A folder or bucket with log files, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLocation {
    /// A folder, with all below it.
    Folder(PathBuf),
    /// The objects of a bucket whose keys begin with a prefix.
    Bucket {
        /// Its name
        bucket: String,
        /// Prefix of their keys; empty for all
        prefix: String,
    },
}

impl FromStr for LogLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Folder(text.into()));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        match scheme {
            "s3" if !bucket.is_empty() => Ok(Self::Bucket {
                bucket: bucket.into(),
                prefix: prefix.into(),
            }),
            _ => Err(format!("{text}: give a folder, or s3://BUCKET/PREFIX")),
        }
    }
}

/// Reads files of every location.
#[derive(Clone, Debug)]
pub struct LogObjects {
    /// Needed if a location is a bucket
    pub s3: Option<S3Objects>,
}

impl LogObjects {
    /// Lists the files of `locations`, in the order of their names within each.
    pub fn files<'a>(
        &'a self,
        locations: &'a [LogLocation],
    ) -> impl Stream<Item = Result<ObjectLocation, FileError>> + Send + 'a {
        stream::iter(locations).flat_map(|location| match (location, &self.s3) {
            (LogLocation::Folder(folder), _) => in_folder(folder).boxed(),
            (LogLocation::Bucket { bucket, prefix }, Some(s3)) => s3
                .list(bucket, prefix)
                .map_ok(|key| ObjectLocation {
                    bucket: bucket.clone(),
                    key,
                })
                .map_err(move |error| FileError::List {
                    location: format!("s3://{bucket}/{prefix}"),
                    why: error.to_string(),
                })
                .boxed(),
            (LogLocation::Bucket { .. }, None) => stream::empty().boxed(),
        })
    }
}

/// The files below a folder.
fn in_folder(
    folder: &Path,
) -> impl Stream<Item = Result<ObjectLocation, FileError>> + Send + use<> {
    let failed = |path: &Path, error: std::io::Error| FileError::List {
        location: path.display().to_string(),
        why: error.to_string(),
    };
    let folder = folder.to_owned();
    let walk = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        let root = match folder.canonicalize() {
            Ok(root) => root,
            Err(error) => return vec![Err(failed(&folder, error))],
        };
        // A folder that links lead to again is walked once.
        let (mut pending, mut walked) = (vec![root.clone()], BTreeSet::from([root]));
        while let Some(folder) = pending.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    found.push(Err(failed(&folder, error)));
                    continue;
                }
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                match path.canonicalize() {
                    Ok(path) if path.is_dir() => {
                        if walked.insert(path.clone()) {
                            pending.push(path);
                        }
                    }
                    Ok(_) => found.push(Ok(object_location(&path))),
                    Err(error) => found.push(Err(failed(&path, error))),
                }
            }
        }
        found.sort_by(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => (&a.bucket, &a.key).cmp(&(&b.bucket, &b.key)),
            (a, b) => a.is_ok().cmp(&b.is_ok()),
        });
        found
    });
    stream::once(walk).flat_map(|walked| {
        stream::iter(walked.unwrap_or_else(|error| {
            vec![Err(FileError::List {
                location: "the folder".into(),
                why: error.to_string(),
            })]
        }))
    })
}

/// A file of a folder is named as in a bucket: the path above `AWSLogs` is the bucket.
fn object_location(path: &Path) -> ObjectLocation {
    let above = path
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == LOGS))
        .and_then(Path::parent)
        .or(path.parent())
        .unwrap_or(Path::new("/"));
    let key = path.strip_prefix(above).unwrap_or(path);
    ObjectLocation {
        bucket: format!("{FILE}{}", above.display()),
        key: key.to_string_lossy().into_owned(),
    }
}

impl Objects for LogObjects {
    async fn get(&self, bucket: &str, key: &str, limit: usize) -> Result<Object, ObjectError> {
        match (bucket.strip_prefix(FILE), &self.s3) {
            (Some(folder), _) => read(Path::new(folder).join(key), limit).await,
            (None, Some(s3)) => s3.get(bucket, key, limit).await,
            (None, None) => Err(ObjectError::Missing),
        }
    }
}

async fn read(path: PathBuf, limit: usize) -> Result<Object, ObjectError> {
    let interrupted = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => ObjectError::Missing,
        _ => ObjectError::Interrupted(error.to_string()),
    };
    let metadata = tokio::fs::metadata(&path).await.map_err(interrupted)?;
    if metadata.len() > limit as u64 {
        return Err(ObjectError::TooLarge { limit });
    }
    let modified = metadata.modified().map_err(interrupted)?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Object {
        etag: format!("{:x}-{:x}", metadata.len(), since.as_nanos()),
        bytes: tokio::fs::read(&path).await.map_err(interrupted)?,
    })
}
