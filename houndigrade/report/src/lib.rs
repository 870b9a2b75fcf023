//! The result of an inspection: the original inspector's JSON, and our additions to it.
//!
//! These types are the documentation of the JSON. Keys of the original keep their names and meaning (`docs/houndigrade.md` lists the
//! additions). Readers are tolerant: a missing key has its default, an unknown one is ignored.

mod facts;
mod problem;
mod stats;

pub use facts::{
    EnabledRepos, Facts, PackageDatabase, ProductCerts, ReleaseFile, ReleaseFiles, Repository,
    SignedPackages,
};
pub use problem::{Problem, ProblemCode};
pub use stats::{Stages, Stats};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The result of one invocation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// `aws`, `azure` or `gcp`, as given on the command line.
    pub cloud: String,
    /// The errors of all images, each preceded by its image's id.
    pub errors: Vec<String>,
    /// The inspected images, by id.
    pub images: BTreeMap<String, InspectedImage>,
}

/// The disks of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InspectedImage {
    /// The conclusion from all the rest. `rhel_found` alone can't tell "no" from "not known".
    pub verdict: Verdict,
    /// Any evidence of RHEL was found.
    pub rhel_found: bool,
    /// A release file names Red Hat.
    pub rhel_release_files_found: bool,
    /// A RHEL product certificate is installed.
    pub rhel_product_certs_found: bool,
    /// A RHEL repository is enabled.
    pub rhel_enabled_repos_found: bool,
    /// A package signed by Red Hat is installed.
    pub rhel_signed_packages_found: bool,
    /// `VERSION_ID` of the partition whose release files name Red Hat.
    pub rhel_version: Option<String>,
    /// System purpose, parsed, if there is evidence of RHEL and the file is JSON.
    pub syspurpose: Option<Value>,
    /// The Linux distribution installed: the first found, in the order of the disks and partitions.
    pub distribution: Option<Distribution>,
    /// The facts that say RHEL.
    pub evidence: Vec<Evidence>,
    /// At least one file system was read completely.
    pub readable: bool,
    /// Texts for people: a line for each volume or disk that could not be read completely.
    pub errors: Vec<String>,
    /// The same for programs: an entry for each reason.
    pub problems: Vec<Problem>,
    /// Partitions by disk and name, which is `fdisk`'s; a file system without a partition table has the name of its disk.
    pub drives: BTreeMap<String, BTreeMap<String, InspectedPartition>>,
    /// The work it took.
    pub stats: Stats,
}

/// The answer to "is it RHEL?".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is evidence of RHEL.
    Rhel,
    /// Everything that can hold a Linux was read, a distribution was found, and nothing says RHEL.
    NotRhel,
    /// No evidence, but something could not be read, or no distribution was found: `problems` say why.
    #[default]
    Unknown,
}

/// A Linux distribution, as its release files name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// `ID` of os-release: `rhel`, `debian`, …
    pub id: String,
    /// `VERSION_ID`: `8.4`, `12`, … A rolling release has none.
    pub version: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub name: Option<String>,
    /// The file it was read from.
    pub path: String,
}

/// One reason to say RHEL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Name of the check: `rhel_release_files`, `rhel_product_certs`, `rhel_enabled_repos` or `rhel_signed_packages`.
    pub fact: String,
    /// The file in the image.
    pub path: String,
    /// The line or name in the file that says so.
    pub detail: String,
}

/// The contents of one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InspectedPartition {
    /// Results of the checks; without results where the partition was not read.
    pub facts: Facts,
    /// File system or other content recognised: `ext4`, `swap`, `ntfs`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Its mount point in the system that it belongs to. The entry of `/` has all facts of that system's tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounted_at: Option<String>,
    /// The directory that becomes `/`, where it is another than that of the file system: a subvolume, or a deployment of ostree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The reason, if the partition needed no reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The reason, if the partition or a part of it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Report {
    /// Returns the report on `images`, with their errors gathered.
    pub fn new(cloud: &str, images: BTreeMap<String, InspectedImage>) -> Self {
        let of_image = |(id, image): (&String, &InspectedImage)| {
            image
                .errors
                .iter()
                .map(|error| format!("{id}: {error}"))
                .collect::<Vec<_>>()
        };
        Self {
            cloud: cloud.into(),
            errors: images.iter().flat_map(of_image).collect(),
            images,
        }
    }
}
