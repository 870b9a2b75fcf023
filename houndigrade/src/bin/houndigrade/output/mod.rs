//! The destinations of the result.

mod file;
mod s3;
mod upload;

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use self::upload::PresignedUrl;

/// A place where the JSON goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    File(PathBuf),
    S3 {
        bucket: String,
        key: String,
    },
    /// From the environment, for it is a secret.
    Url(PresignedUrl),
}

/// `-`, a path, or `s3://BUCKET/KEY`.
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
    /// Returns the output that `HOUNDIGRADE_RESULT_URL` asks for.
    pub(crate) fn from_environment() -> Option<Self> {
        PresignedUrl::from_environment().map(Self::Url)
    }

    /// Writes the JSON there.
    ///
    /// # Errors
    /// The destination and the reason, if it could not be written.
    pub(crate) async fn write(&self, json: &str) -> Result<(), String> {
        match self {
            Self::Stdout => writeln!(io::stdout(), "{json}")
                .map_err(|error| format!("writing the result to standard output: {error}")),
            Self::File(path) => file::write(path, json)
                .map_err(|error| format!("writing the result to {}: {error}", path.display())),
            Self::S3 { bucket, key } => s3::put(bucket, key, json)
                .await
                .map_err(|error| format!("writing the result to s3://{bucket}/{key}: {error}")),
            Self::Url(url) => upload::put(url, json, upload::FIRST_PAUSE)
                .await
                .map_err(|error| format!("uploading the result: {error}")),
        }
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
}
