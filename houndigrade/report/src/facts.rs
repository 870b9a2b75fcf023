//! The checks made on one partition.

use serde::{Deserialize, Serialize};

/// Results of all checks. A check that did not run has no `rhel_found`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
#[serde(default)]
pub struct ReleaseFiles {
    /// Any of the files names Red Hat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// The files, sorted by path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub release_files: Vec<ReleaseFile>,
    /// The reason, if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// One release file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseFile {
    /// Its path in the image.
    pub rhel_release_file: String,
    /// Its text. Bytes that are not UTF-8 are replaced.
    pub rhel_release_file_contents: String,
    /// Its text names Red Hat.
    pub rhel_found: bool,
}

/// Result of the product certificate check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductCerts {
    /// Any certificate is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// Their paths in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_pem_files: Option<Vec<String>>,
    /// The reason, if the check has no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Result of the repository check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnabledRepos {
    /// Any is enabled. Not set if none was found but something could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhel_found: Option<bool>,
    /// The repositories of RHEL that are enabled, in the order of their files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rhel_enabled_repos: Vec<Repository>,
    /// Files that could not be read, and those that yum and dnf would skip too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// A repository of packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Repository {
    /// Its id: the section of the file.
    pub repo: String,
    /// Its name.
    pub name: String,
}

/// Result of the check of installed packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// The database they were counted in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<PackageDatabase>,
    /// The reason, if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The reason, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A database of installed packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PackageDatabase {
    /// Its file in the image.
    pub path: String,
    /// `sqlite`, `ndb` or `berkeley`.
    pub format: String,
}
