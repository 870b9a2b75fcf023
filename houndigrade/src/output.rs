//! Where the result goes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};

const ATTEMPTS: u32 = 5;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(120);

/// Standard output, a file, or an object in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    File(PathBuf),
    S3 { bucket: String, key: String },
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::File(text.into()));
        };
        match rest.split_once('/') {
            Some((bucket, key)) if scheme == "s3" && !bucket.is_empty() && !key.is_empty() => {
                Ok(Self::S3 {
                    bucket: bucket.into(),
                    key: key.into(),
                })
            }
            _ => Err("give -, a file, or s3://BUCKET/KEY".into()),
        }
    }
}

impl Output {
    /// Writes the JSON there.
    ///
    /// # Errors
    /// Why it could not be written, and where.
    pub(crate) async fn write(&self, json: &str) -> Result<(), String> {
        match self {
            Self::Stdout => writeln!(io::stdout(), "{json}")
                .map_err(|error| format!("standard output: {error}")),
            Self::File(path) => {
                write_file(path, json).map_err(|error| format!("{}: {error}", path.display()))
            }
            Self::S3 { bucket, key } => put(bucket, key, json)
                .await
                .map_err(|error| format!("s3://{bucket}/{key}: {error}")),
        }
    }
}

/// Replaces the file at once: whoever reads it finds the old result or the new one.
fn write_file(path: &Path, json: &str) -> io::Result<()> {
    // A link stays one; what is no file (a pipe, /dev/stderr) can't be replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    if path.exists() && !path.is_file() {
        return writeln!(fs::OpenOptions::new().write(true).open(path)?, "{json}");
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let beside = path.with_file_name(format!(
        ".{}.{}.tmp",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = fs::File::create_new(&beside)
        .and_then(|mut file| {
            writeln!(file, "{json}")?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // What remains of it is of no use; that it could not be removed changes nothing.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// With credentials, region and endpoint of the environment.
async fn put(bucket: &str, key: &str, json: &str) -> Result<(), String> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(TIMEOUT)
                .build(),
        )
        .load()
        .await;
    let config = aws_sdk_s3::config::Builder::from(&config)
        // An endpoint of one's own seldom has a name for every bucket.
        .force_path_style(config.endpoint_url().is_some())
        .build();
    let put = Client::from_conf(config)
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("application/json")
        .body(json.as_bytes().to_vec().into());
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.as_service_error() {
            Some(refusal) => format!(
                "{}: {}",
                refusal.code().unwrap_or("no error code"),
                refusal.message().unwrap_or("no message")
            ),
            None => DisplayErrorContext(&error).to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("-", Output::Stdout)]
    #[case("a/b.json", Output::File("a/b.json".into()))]
    #[case("s3://bucket/a/b.json", Output::S3 { bucket: "bucket".into(), key: "a/b.json".into() })]
    fn outputs(#[case] text: &str, #[case] expected: Output) {
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    #[case("s3://bucket")]
    #[case("s3://bucket/")]
    #[case("s3:///key")]
    #[case("https://bucket/key")]
    fn wrong_outputs(#[case] text: &str) {
        assert!(text.parse::<Output>().is_err());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("result"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_file(&path, "a longer first result").unwrap();
        let mut reader = fs::File::open(&path).unwrap();
        write_file(&link, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
        assert!(link.is_symlink());
        // Who had opened the old result reads all of it.
        assert_eq!(
            io::read_to_string(&mut reader).unwrap(),
            "a longer first result\n"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_file(&folder.path().join("no/such/folder"), "{}").is_err());
        assert!(write_file(folder.path(), "{}").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
