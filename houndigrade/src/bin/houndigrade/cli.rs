//! The command line.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::images::ImageLimits;
use crate::location::DiskLocation;
use crate::output::Output;

const MIB: usize = 1024 * 1024;
/// Of the memory, one in so many bytes is for blocks; the rest is for the program, metadata of file systems, and lists of blocks.
const BLOCKS_PART: usize = 2;
/// Of the memory, one in so many bytes is for the changes in logs.
const LOGS_PART: usize = 4;
/// Memory for blocks below which an image is not worth a place of its own: eight blocks of a snapshot.
const MIN_BLOCKS: usize = 4 * MIB;

/// Says which Linux is on a disk, and whether it is Red Hat Enterprise Linux.
///
/// The disk is only read, in user space: no mount, no privilege. The result is JSON; logs and progress go to standard error.
#[derive(Debug, Parser)]
#[command(name = "houndigrade", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The cloud the images are from; only copied to the result
    #[arg(short, long, value_enum, default_value_t = CloudName::Aws)]
    pub(crate) cloud: CloudName,

    /// An image and where its disk is. Repeat it for more images, or for more disks of one
    #[arg(short, long = "target", num_args = 2, required = true, value_names = ["IMAGE_ID", "SOURCE"])]
    targets: Vec<String>,

    /// Where the JSON goes: -, a file (replaced at once when the result is complete), or s3://BUCKET/KEY [default: -]
    #[arg(short, long, value_name = "OUTPUT")]
    output: Option<Output>,

    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,

    /// Print a summary as text; the JSON is written only where --output says
    #[arg(long)]
    pub(crate) summary: bool,

    /// Images inspected at the same time, at most: fewer if the memory is not enough for so many
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,

    /// Time limit of an image; one that takes longer gets an error
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    timeout: Duration,

    /// Memory to use, shared by the images inspected at the same time: half of it for blocks of the disks, a quarter for changes in the logs of their file systems
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u16).range(32..))]
    max_memory: u16,
}

const AFTER_HELP: &str = "\
A SOURCE is
  disk.img, /dev/sdb       a raw disk image or a block device: a whole disk, or one file system
  ebs://SNAPSHOT_ID        an EBS snapshot, read through the EBS direct API: only the blocks that are needed.
      ?region=REGION         where it is; default: as for every AWS tool
      &role-arn=ARN          a role to assume first
      &external-id=ID        what that role's trust policy asks for; percent-encoded where it must be
    Takes ebs:ListSnapshotBlocks and ebs:GetSnapshotBlock on the snapshot.

Examples:
  houndigrade -t my-image disk.img --summary
        What is on the disk image disk.img?

  houndigrade -t a root.img -t a data.img -t b /dev/sdb -o result.json
        Image a has two disks, image b has one; the JSON goes to a file.

  houndigrade -t ami-0abc 'ebs://snap-0123?region=eu-central-1&role-arn=arn:aws:iam::123456789012:role/reader'
        Read a snapshot in somebody else's account.

Environment:
  HOUNDIGRADE_RESULT_URL   also PUT the JSON there, for example a presigned S3 URL
  AWS_*                    as for every AWS tool, AWS_ENDPOINT_URL included
  RUST_LOG                 what to log, for example houndigrade=debug

Exit status:
  0  all images were inspected
  1  something else went wrong, for example the result could not be written
  2  the command line is wrong
  3  at least one image could not be read; the result says which and why";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CloudName {
    Aws,
    Azure,
    Gcp,
}

impl CloudName {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

impl Arguments {
    /// Returns the images and the locations of their disks, in the order given.
    ///
    /// # Errors
    /// When a location has an unknown scheme or parameter.
    pub(crate) fn images(&self) -> Result<BTreeMap<String, Vec<DiskLocation>>, String> {
        let mut images: BTreeMap<String, Vec<DiskLocation>> = BTreeMap::new();
        for target in self.targets.chunks_exact(2) {
            let location = target[1]
                .parse()
                .map_err(|why| format!("image {}: {why}", target[0]))?;
            images.entry(target[0].clone()).or_default().push(location);
        }
        Ok(images)
    }

    /// Returns how many of `images` are inspected at the same time, and the limits of each.
    pub(crate) fn limits(&self, images: usize) -> (usize, ImageLimits) {
        let blocks = usize::from(self.max_memory) * MIB / BLOCKS_PART;
        let jobs = usize::from(self.jobs)
            .min(images)
            .clamp(1, blocks / MIN_BLOCKS);
        let limits = ImageLimits {
            timeout: self.timeout,
            blocks: blocks / jobs,
            logs: usize::from(self.max_memory) * MIB / LOGS_PART / jobs,
        };
        (jobs, limits)
    }

    /// Returns the output for the JSON, if there is one.
    pub(crate) fn json_to(&self) -> Option<&Output> {
        match &self.output {
            None if self.summary => None,
            output => Some(output.as_ref().unwrap_or(&Output::Stdout)),
        }
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

    fn parse(arguments: &str) -> Arguments {
        let arguments = format!("houndigrade -t a disk {arguments}");
        Arguments::try_parse_from(arguments.split_whitespace()).unwrap()
    }

    #[rstest]
    #[case("", 1, (1, 64))]
    #[case("", 3, (3, 21))]
    #[case("", 100, (4, 16))]
    #[case("--jobs 1", 100, (1, 64))]
    #[case("--jobs 32 --max-memory 512", 100, (32, 8))]
    #[case::too_many_for_the_memory("--jobs 32 --max-memory 32", 100, (4, 4))]
    fn memory_is_shared(
        #[case] arguments: &str,
        #[case] images: usize,
        #[case] expected: (usize, usize),
    ) {
        let (jobs, limits) = parse(arguments).limits(images);
        assert_eq!((jobs, limits.blocks / MIB), expected);
    }

    #[rstest]
    #[case("", Some(Output::Stdout))]
    #[case("--summary", None)]
    #[case("--summary -o -", Some(Output::Stdout))]
    #[case("-o f", Some(Output::File("f".into())))]
    fn json_goes_to(#[case] arguments: &str, #[case] expected: Option<Output>) {
        assert_eq!(parse(arguments).json_to(), expected.as_ref());
    }
}
