//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Says which Linux is on a disk, and whether it is Red Hat Enterprise Linux.
///
/// The disk is only read, in user space: no mount, no privilege. The result is JSON on standard output; logs go to standard error (RUST_LOG=debug for more).
#[derive(Debug, Parser)]
#[command(name = "houndigrade", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The cloud the images are from; only copied to the result
    #[arg(short, long, value_enum, default_value_t = Cloud::Aws)]
    pub(crate) cloud: Cloud,

    /// An image and where its disk is: a file, a block device, or ebs://SNAPSHOT_ID?region=REGION. Repeat it for more images, or for more disks of one
    #[arg(short, long = "target", num_args = 2, required = true, value_names = ["IMAGE_ID", "SOURCE"])]
    targets: Vec<String>,

    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,

    /// Seconds an image may take; one that takes longer gets an error
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

const AFTER_HELP: &str = "\
Examples:
  houndigrade -t my-image disk.img --pretty
        What is on the disk image disk.img?

  houndigrade -t a root.img -t a data.img -t b /dev/sdb
        Image a has two disks, image b has one.

  houndigrade -c aws -t ami-0abc 'ebs://snap-0123?region=eu-central-1'
        Read a snapshot through the EBS direct API: only the blocks that are needed. Takes ebs:ListSnapshotBlocks and
        ebs:GetSnapshotBlock; credentials and endpoint come from the usual AWS variables and files.

Environment:
  HOUNDIGRADE_RESULT_URL   also PUT the result there, for example a presigned S3 URL
  AWS_*                    as for every AWS tool, AWS_ENDPOINT_URL included
  RUST_LOG                 what to log, for example houndigrade=debug

Exit status:
  0  all images were inspected
  1  something else went wrong, for example the result could not be delivered
  2  the command line is wrong
  3  at least one image could not be read; the result says which and why";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Cloud {
    Aws,
    Azure,
    Gcp,
}

impl Cloud {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

impl Arguments {
    /// Pairs of image id and location, in the order given.
    ///
    /// # Errors
    /// If a location has a scheme or parameter that is unknown.
    pub(crate) fn targets(&self) -> Result<Vec<(&str, Location)>, String> {
        self.targets
            .chunks_exact(2)
            .map(|target| Ok((target[0].as_str(), target[1].parse()?)))
            .collect()
    }
}

/// Where a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Path(PathBuf),
    Snapshot {
        id: String,
        /// As in the environment, if not given.
        region: Option<String>,
    },
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("ebs://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => Err(format!(
                    "{text}: unknown kind of source {scheme}://; give a path or ebs://SNAPSHOT_ID?region=REGION"
                )),
                None => Ok(Self::Path(text.into())),
            };
        };
        let (id, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !id.starts_with("snap-")
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(format!(
                "{text}: {id:?} is not the id of a snapshot, which looks like snap-0123456789abcdef0"
            ));
        }
        let mut region = None;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("region", value)) if !value.is_empty() => region = Some(value.to_owned()),
                _ => {
                    return Err(format!(
                        "{text}: unknown parameter {parameter:?}; there is region=REGION"
                    ));
                }
            }
        }
        Ok(Self::Snapshot {
            id: id.into(),
            region,
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    fn snapshot(id: &str, region: Option<&str>) -> Location {
        Location::Snapshot {
            id: id.into(),
            region: region.map(str::to_owned),
        }
    }

    #[rstest]
    #[case("disk.img", Location::Path("disk.img".into()))]
    #[case("/dev/sdb", Location::Path("/dev/sdb".into()))]
    #[case("ebs://snap-0a1b", snapshot("snap-0a1b", None))]
    #[case(
        "ebs://snap-0a1b?region=eu-west-1",
        snapshot("snap-0a1b", Some("eu-west-1"))
    )]
    fn locations(#[case] text: &str, #[case] expected: Location) {
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    #[case("s3://bucket/key", "unknown kind of source s3://")]
    #[case("ebs://vol-0a1b", "not the id of a snapshot")]
    #[case("ebs://snap-0a1b?zone=x", "unknown parameter \"zone=x\"")]
    #[case("ebs://snap-0a1b?region=", "unknown parameter")]
    fn wrong_locations_say_what_is_wrong(#[case] text: &str, #[case] expected: &str) {
        let error = text.parse::<Location>().unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
