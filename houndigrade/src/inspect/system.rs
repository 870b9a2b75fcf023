//! Finds the systems installed on the volumes, and composes their directory trees.

use super::layout::{Installed, MountSource, PlannedMount};
use super::volumes::{Contents, ProbedVolume};
use crate::filesystem::ostree::{self, BootEntry};
use crate::filesystem::{FileSystemError, Root, fstab};
use houndigrade_report::Problem;

/// Directories of boot loader entries: on the root, and on a partition that becomes its `/boot`.
const BOOT_ENTRIES: [&str; 2] = ["/boot/loader/entries", "/loader/entries"];

/// Returns the system on volume `index`; `None` if no root is there.
pub(super) fn find(
    index: usize,
    volumes: &[ProbedVolume],
) -> Result<Option<Installed>, FileSystemError> {
    let Some(fs) = volumes.get(index).and_then(ProbedVolume::tree) else {
        return Ok(None);
    };
    for directory in fs.roots() {
        let tree = Root::at(fs, &directory);
        let deployments = ostree::deployments(&tree)?;
        if deployments.is_empty() && !is_root(&tree)? {
            continue;
        }
        let entries = if deployments.len() > 1 {
            boot_entries(volumes)
        } else {
            Vec::new()
        };
        return Ok(Some(Installed {
            volume: index,
            directory,
            deployment: ostree::booted(&deployments, &entries).cloned(),
            fstab: Vec::new(),
        }));
    }
    Ok(None)
}

/// Returns whether a tree is the root of a system, and not data, `/boot` or `/usr`.
fn is_root(tree: &Root<'_>) -> Result<bool, FileSystemError> {
    let etc = tree.names("/etc")?;
    Ok(etc.iter().any(|name| tells_of_a_system(name)) || tree.is_file("/usr/lib/os-release")?)
}

/// Returns whether a name in `/etc` marks a system: every system has one of these. It may be a symlink to a directory that is not mounted
/// yet.
fn tells_of_a_system(name: &str) -> bool {
    matches!(name, "fstab" | "passwd" | "inittab") || name.ends_with("-release")
}

/// Returns the boot loader entries on all volumes. Unreadable ones are skipped: another will do.
fn boot_entries(volumes: &[ProbedVolume]) -> Vec<BootEntry> {
    let directories = volumes
        .iter()
        .filter_map(ProbedVolume::tree)
        .flat_map(|fs| {
            let roots = fs.roots().into_iter();
            roots.flat_map(move |root| BOOT_ENTRIES.map(|at| (Root::at(fs, &root), at)))
        });
    directories
        .filter_map(|(tree, at)| ostree::boot_entries(&tree, at).ok())
        .flatten()
        .collect()
}

/// Reads the fstab of a system.
pub(super) fn fstab(
    system: &Installed,
    volumes: &[ProbedVolume],
) -> Result<Vec<fstab::FstabEntry>, FileSystemError> {
    fstab::read(&root(system, volumes)?)
}

/// Returns the tree of a system without its mounts.
fn root<'a>(system: &Installed, volumes: &'a [ProbedVolume]) -> Result<Root<'a>, FileSystemError> {
    let volume = volumes.get(system.volume).and_then(ProbedVolume::tree);
    let fs = volume.ok_or(FileSystemError::Unrecognised)?;
    let mut root = Root::at(fs, &system.root());
    if system.deployment.is_some() && root.directory("/etc")?.is_none() {
        // A deployment that has never been booted may have only the vendor's `/etc`.
        root.bind("/etc", "/usr/etc")?;
    }
    Ok(root)
}

/// Returns the tree of a system as its programs see it.
pub(super) fn compose<'a>(
    system: &Installed,
    mounts: &[PlannedMount],
    volumes: &'a [ProbedVolume],
) -> Result<Root<'a>, FileSystemError> {
    let mut root = root(system, volumes)?;
    for PlannedMount { at, source } in mounts {
        let done = match source {
            MountSource::Nothing(why) => Err(why.clone()),
            MountSource::Directory(source) => root
                .bind(at, source)
                .map(drop)
                .map_err(|error| format!("{at} of this system is its directory {source}: {error}")),
            MountSource::Volume(index, Some(path)) if is_unborn(system, *index, path, volumes) => {
                continue;
            }
            MountSource::Volume(index, path) => match volumes.get(*index) {
                Some(volume) => mount(&mut root, at, volume, path.as_deref()),
                None => continue,
            },
        };
        if let Err(why) = done {
            root.withhold(at, why);
        }
    }
    Ok(root)
}

/// Returns whether a directory is the `/var` that ostree makes at the first boot, and is not there yet: a fact, not a loss.
fn is_unborn(system: &Installed, volume: usize, path: &str, volumes: &[ProbedVolume]) -> bool {
    let fs = volumes.get(volume).and_then(ProbedVolume::tree);
    volume == system.volume
        && system.var().as_deref() == Some(path)
        && fs.is_some_and(|fs| matches!(Root::new(fs).directory(path), Ok(None)))
}

fn mount<'a>(
    root: &mut Root<'a>,
    at: &str,
    volume: &'a ProbedVolume,
    path: Option<&str>,
) -> Result<(), String> {
    let name = &volume.name;
    let fs = match &volume.contents {
        Contents::FileSystem(fs) => fs,
        Contents::Unknown(Problem { message: why, .. }) | Contents::Nothing(why) => {
            return Err(format!(
                "{at} of this system is on {name}, which was not read: {why}"
            ));
        }
    };
    let path = path.map_or_else(|| fs.top(), str::to_owned);
    match root.mount(at, &**fs, &path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "{at} of this system is {path} of {name}, where there is no such directory"
        )),
        Err(error) => Err(format!("{at} of this system is {path} of {name}: {error}")),
    }
}
