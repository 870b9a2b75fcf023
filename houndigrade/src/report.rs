//! The result: the schema of the original inspector (spec §6.5), and beside it what is ours.
//!
//! This file is the documentation of the JSON's shape. Keys of the original keep their names and meaning; `verdict`, `readable`,
//! `distribution`, `evidence` and `stats` of an image and `filesystem`, `mounted_at`, `root` and `skipped` of a partition are additions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one invocation found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `aws`, `azure` or `gcp`, as given on the command line.
    pub cloud: String,
    /// The errors of all images, each preceded by its image's id.
    pub errors: Vec<String>,
    /// Image id to what is on its disks.
    pub images: BTreeMap<String, Image>,
}

/// What is on the disks of one image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// What follows from all the rest. `rhel_found` alone can't tell "no" from "not known".
    pub verdict: Verdict,
    /// Whether any evidence of RHEL was found.
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
    /// What could not be read, and why.
    pub errors: Vec<String>,
    /// Disk to partition to what is on it. Partitions are named as `fdisk` names them; a file system without a
    /// partition table has the name of its disk.
    pub drives: BTreeMap<String, BTreeMap<String, Partition>>,
    /// The work it took.
    pub stats: Stats,
}

/// Is it RHEL?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is evidence of RHEL.
    Rhel,
    /// Everything that can hold a Linux was read, a distribution was found, and nothing says RHEL.
    NotRhel,
    /// No evidence, but something could not be read, or no distribution was found: `errors` say why.
    #[default]
    Unknown,
}

/// A Linux distribution, as its release files name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the check: `rhel_release_files`, `rhel_product_certs`, `rhel_enabled_repos` or `rhel_signed_packages`.
    pub fact: String,
    /// The file in the image.
    pub path: String,
    /// What in the file says so, in a line.
    pub detail: String,
}

/// What is on one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Results of the checks; without results where the partition was not read.
    pub facts: Facts,
    /// File system or other content recognised: `ext4`, `swap`, `ntfs`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Where its files are in the tree of the system that it belongs to. Those of `/` have all the facts of that tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounted_at: Option<String>,
    /// The directory that becomes `/`, where it is another than that of the file system: a subvolume, or a deployment of ostree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Why the partition needed no reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why the partition, or a part of it, could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The checks of spec §6.3. One that did not run has no `rhel_found`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Release files, and whether they name Red Hat.
    pub rhel_release_files: ReleaseFiles,
    /// RHEL's product certificates.
    pub rhel_product_certs: ProductCerts,
    /// Enabled RHEL repositories.
    pub rhel_enabled_repos: EnabledRepos,
    /// Packages signed by Red Hat.
    pub rhel_signed_packages: SignedPackages,
    /// `VERSION_ID` of os-release.
    pub os_version: Option<String>,
    /// The system purpose file as it is, up to 1024 bytes.
    pub syspurpose_contents: Option<String>,
}

/// Result of the release file check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFiles {
    /// Any of the files names Red Hat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// The files, sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub release_files: Vec<ReleaseFile>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// One release file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFile {
    /// Its path in the image.
    pub rhel_release_file: String,
    /// Its text. Bytes that are not UTF-8 are replaced.
    pub rhel_release_file_contents: String,
    /// It names Red Hat.
    pub rhel_found: bool,
}

/// Result of the product certificate check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductCerts {
    /// Any certificate is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// Their paths in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_pem_files: Option<Vec<String>>,
    /// Why the check has no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Result of the repository check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnabledRepos {
    /// Any is enabled. Not set if none was found but something could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// The repositories of RHEL that are enabled, in the order of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rhel_enabled_repos: Vec<Repository>,
    /// Files that could not be read, and those that yum and dnf would skip too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// A repository of packages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Repository {
    /// Its id: the section of the file.
    pub repo: String,
    /// Its name.
    pub name: String,
}

/// Result of the check of installed packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPackages {
    /// Any package is signed by Red Hat. Not set if none was found but something could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// Packages whose signatures name a key of Red Hat's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_signed_package_count: Option<u64>,
    /// All packages, as `rpm -qa` counts them: imported keys are among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_count: Option<u64>,
    /// Where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<PackageDatabase>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A database of installed packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDatabase {
    /// Its file in the image.
    pub path: String,
    /// `sqlite`, `ndb` or `berkeley`.
    pub format: String,
}

/// The work an inspection took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Blocks fetched from a snapshot, or reads made on a file. What is read again from memory is not counted.
    pub blocks_read: u64,
    /// Bytes in them.
    pub bytes_read: u64,
    /// Wall time.
    pub milliseconds: u64,
    /// Where it went.
    #[serde(default)]
    pub stages: Stages,
}

/// Wall time of the stages of an inspection, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// Opening the disks; of a snapshot: the first list of its blocks.
    pub open: u64,
    /// Reading partition tables and logical volumes, and opening the file systems with their journals.
    pub volumes: u64,
    /// Finding the systems installed, and what makes up their trees.
    pub systems: u64,
    /// Making the checks.
    pub facts: u64,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.blocks_read += other.blocks_read;
        self.bytes_read += other.bytes_read;
        self.milliseconds += other.milliseconds;
        self.stages += other.stages;
    }
}

impl std::ops::AddAssign for Stages {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.volumes += other.volumes;
        self.systems += other.systems;
        self.facts += other.facts;
    }
}

impl Report {
    /// The report on `images`.
    pub fn new(cloud: &str, images: BTreeMap<String, Image>) -> Self {
        let of_image = |(id, image): (&String, &Image)| {
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
