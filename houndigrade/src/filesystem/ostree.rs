//! ostree: several bootable trees in one file system, one of which boots.
//!
//! ```text
//! /boot/loader/entries/*.conf       options … ostree=/ostree/boot.1/OS/KERNEL/0
//! /ostree/boot.1/OS/KERNEL/0        ──► /ostree/deploy/OS/deploy/COMMIT.0, the root
//! /ostree/deploy/OS/var             its /var, which all deployments of the OS share
//! ```

use super::{FileSystemError, Root};

/// Generations of links to the deployments. One of them is current.
const GENERATIONS: [&str; 2] = ["/ostree/boot.0", "/ostree/boot.1"];
/// Systems keep two or three deployments.
const MAX_LINKS: usize = 64;
/// Boot loader entries are a few hundred bytes.
const MAX_BOOT_ENTRY_SIZE: usize = 64 * 1024;
/// Most names in a directory of these.
const MAX_NAMES: usize = 64;

/// A bootable tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name in boot loader entries: `/ostree/boot.1/OS/KERNEL/0`.
    pub link: String,
    /// The directory that becomes `/`.
    pub root: String,
    /// The directory that becomes `/var`.
    pub var: String,
}

/// A boot loader entry for a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// Its version; the highest is the default.
    pub version: u64,
    /// The [`link`](Deployment::link) of its deployment.
    pub link: String,
}

/// Returns the deployments in the file system with the tree `sysroot`; none if there is no ostree.
///
/// # Errors
/// If the file system is damaged or the disk can't be read, and if there are too many.
pub fn deployments(sysroot: &Root<'_>) -> Result<Vec<Deployment>, FileSystemError> {
    let mut deployments = Vec::new();
    for generation in GENERATIONS {
        for system in below(sysroot, generation)? {
            for kernel in below(sysroot, &system)? {
                for link in below(sysroot, &kernel)? {
                    let target = sysroot.directory(&link)?;
                    let deployment = target.and_then(|root| deployment(link, root));
                    deployments.extend(deployment);
                }
            }
            limit(&deployments, "/ostree", MAX_LINKS, "deployments")?;
        }
    }
    Ok(deployments)
}

/// Parses `/ostree/deploy/OS/deploy/COMMIT.0`.
fn deployment(link: String, root: String) -> Option<Deployment> {
    let (system, _) = root
        .strip_prefix("/ostree/deploy/")?
        .split_once("/deploy/")?;
    let var = format!("/ostree/deploy/{system}/var");
    Some(Deployment { link, root, var })
}

/// Returns the boot loader entries in `directory` that boot a deployment.
///
/// # Errors
/// As for [`deployments`].
pub fn boot_entries(tree: &Root<'_>, directory: &str) -> Result<Vec<BootEntry>, FileSystemError> {
    let files = below(tree, directory)?;
    let mut entries = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".conf")) {
        if let Some(text) = tree.head(file, MAX_BOOT_ENTRY_SIZE)? {
            entries.extend(boot_entry(&String::from_utf8_lossy(&text)));
        }
    }
    Ok(entries)
}

fn boot_entry(text: &str) -> Option<BootEntry> {
    let values = |key: &'static str| {
        text.lines()
            .filter_map(|line| line.trim().split_once([' ', '\t']))
            .filter(move |(name, _)| *name == key)
            .map(|(_, value)| value)
    };
    let link = values("options")
        .flat_map(str::split_whitespace)
        .find_map(|option| option.strip_prefix("ostree="))?;
    let version = values("version").find_map(|version| version.trim().parse().ok());
    Some(BootEntry {
        version: version.unwrap_or_default(),
        link: link.into(),
    })
}

/// Returns the deployment of the default boot loader entry. Without entries it is the first, as in the original.
pub fn booted<'a>(deployments: &'a [Deployment], entries: &[BootEntry]) -> Option<&'a Deployment> {
    let of = |entry: &BootEntry| deployments.iter().find(|one| one.link == entry.link);
    let default = entries
        .iter()
        .filter_map(|entry| Some((entry.version, of(entry)?)))
        .max_by_key(|(version, _)| *version);
    default
        .map(|(_, deployment)| deployment)
        .or_else(|| deployments.first())
}

/// Returns the paths in a directory.
fn below(tree: &Root<'_>, directory: &str) -> Result<Vec<String>, FileSystemError> {
    let names = tree.names(directory)?;
    limit(&names, directory, MAX_NAMES, "entries")?;
    let path = |name| format!("{directory}/{name}");
    Ok(names.into_iter().map(path).collect())
}

fn limit<T>(
    items: &[T],
    path: &str,
    limit: usize,
    of: &'static str,
) -> Result<(), FileSystemError> {
    if items.len() <= limit {
        return Ok(());
    }
    let path = path.into();
    Err(FileSystemError::Limit { path, limit, of })
}

#[cfg(test)]
mod tests;
