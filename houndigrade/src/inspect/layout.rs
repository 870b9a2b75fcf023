//! Decides which file systems make up each system, by its fstab and the names of the volumes.

use crate::filesystem::fstab::{self, Device};
use crate::filesystem::ostree::Deployment;
use crate::filesystem::{Identity, normal};

/// The names of a volume that an fstab may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VolumeNames {
    /// Number of its disk in the image, from 0.
    pub(super) disk: usize,
    /// Number of the partition.
    pub(super) number: Option<u32>,
    /// `/dev/GROUP/VOLUME`
    pub(super) logical_volume: Option<String>,
    /// Names of the file system.
    pub(super) filesystem: Identity,
    /// `PARTUUID`.
    pub(super) part_uuid: Option<String>,
    /// `PARTLABEL`.
    pub(super) part_label: Option<String>,
    /// Mount point by systemd's defaults.
    pub(super) mount_point: Option<&'static str>,
}

/// A system found on a volume.
#[derive(Debug)]
pub(super) struct Installed {
    /// Index of the volume.
    pub(super) volume: usize,
    /// The directory of the volume's file system that is its root, or has its deployments.
    pub(super) directory: String,
    /// The deployment that boots, if it is ostree.
    pub(super) deployment: Option<Deployment>,
    /// Its fstab.
    pub(super) fstab: Vec<fstab::FstabEntry>,
}

impl Installed {
    /// Returns the directory of the volume's file system that becomes `/`.
    pub(super) fn root(&self) -> String {
        self.inside(self.deployment.as_ref().map_or("/", |one| &one.root))
    }

    /// Returns the directory of the volume's file system that becomes `/var`, if ostree mounts one.
    pub(super) fn var(&self) -> Option<String> {
        let deployment = self.deployment.as_ref()?;
        Some(self.inside(&deployment.var))
    }

    fn inside(&self, path: &str) -> String {
        normal(&format!("{}/{path}", self.directory))
    }
}

/// A mount in a system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlannedMount {
    /// The mount point.
    pub(super) at: String,
    /// The files shown there.
    pub(super) source: MountSource,
}

/// The source of a mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MountSource {
    /// A directory of a volume's file system; `None`: its default.
    Volume(usize, Option<String>),
    /// A directory of the tree itself.
    Directory(String),
    /// Unavailable, for this reason.
    Nothing(String),
}

/// Returns the mounts of a system, in the order to make them in.
pub(super) fn mounts(system: &Installed, volumes: &[&VolumeNames]) -> Vec<PlannedMount> {
    let (mut binds, mut mounts): (Vec<_>, Vec<_>) = system
        .fstab
        .iter()
        .filter_map(|entry| mount(entry, system, volumes))
        .partition(|mount| matches!(mount.source, MountSource::Directory(_)));
    mounts.extend(discoverable(system, volumes));
    // Mount points and sources of bind mounts may lie in other mounts.
    mounts.sort_by_key(|mount| mount.at.matches('/').count());
    let mut all = deployment(system);
    all.append(&mut mounts);
    all.append(&mut binds);
    all
}

/// Returns the mount point of volume `volume` in the system.
pub(super) fn place(mounts: &[PlannedMount], volume: usize) -> Option<&str> {
    let is_it = |mount: &&PlannedMount| matches!(mount.source, MountSource::Volume(other, _) if other == volume);
    mounts.iter().find(is_it).map(|mount| &*mount.at)
}

/// Returns the mounts that ostree makes in the deployment that boots.
fn deployment(system: &Installed) -> Vec<PlannedMount> {
    let Some(deployment) = &system.deployment else {
        return Vec::new();
    };
    let shown = |path: &str, at: &str| PlannedMount {
        at: at.into(),
        source: MountSource::Volume(system.volume, Some(system.inside(path))),
    };
    vec![shown("/", "/sysroot"), shown(&deployment.var, "/var")]
}

fn mount(
    entry: &fstab::FstabEntry,
    system: &Installed,
    volumes: &[&VolumeNames],
) -> Option<PlannedMount> {
    let (at, device) = (&entry.at, &entry.source);
    let source = match (&entry.device, entry.subvolume_id) {
        (Device::Directory(path), _) => MountSource::Directory(path.clone()),
        (_, Some(id)) => MountSource::Nothing(format!(
            "{at} of this system is subvolume {id} of {device}: give its path (subvol=) too, a number alone is not looked up"
        )),
        (named, None) => match find(named, system, volumes) {
            Some(volume) => MountSource::Volume(volume, entry.subvolume.clone()),
            None if entry.optional => return None,
            None => MountSource::Nothing(format!(
                "{at} of this system is on {device}, which is not among the image's disks"
            )),
        },
    };
    let at = at.clone();
    Some(PlannedMount { at, source })
}

/// Returns the volume that an fstab names. Of two with one name, as a disk and its copy have, it is that on the root's disk.
fn find(device: &Device, system: &Installed, volumes: &[&VolumeNames]) -> Option<usize> {
    let home = volumes.get(system.volume)?.disk;
    let found = || {
        (0..)
            .zip(volumes)
            .filter(|(_, names)| is(device, names, home))
    };
    let mut at_home = found().filter(|(_, names)| names.disk == home);
    let (volume, _) = at_home.next().or_else(|| found().next())?;
    Some(volume)
}

/// Returns whether an fstab's `device` is this volume, on a system with its root on the disk `home`.
fn is(device: &Device, names: &VolumeNames, home: usize) -> bool {
    let same = |name: &Option<String>, wanted: &str| name.as_deref() == Some(wanted);
    // UUIDs are written in lower or upper case.
    let alike = |name: &Option<String>, wanted: &str| {
        name.as_ref()
            .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    };
    match device {
        Device::Uuid(uuid) => alike(&names.filesystem.uuid, uuid),
        Device::Label(label) => same(&names.filesystem.label, label),
        Device::PartUuid(uuid) => alike(&names.part_uuid, uuid),
        Device::PartLabel(label) => same(&names.part_label, label),
        Device::LogicalVolume(path) => same(&names.logical_volume, path),
        Device::Partition { disk, number } => {
            names.logical_volume.is_none()
                && names.number == *number
                && seen_from(home, names.disk) == *disk as usize
        }
        Device::Directory(_) | Device::Other => false,
    }
}

/// Returns the number of a disk in its system. Names of disks change from machine to machine; the root's comes first, and the
/// order of the others stays.
fn seen_from(home: usize, disk: usize) -> usize {
    match disk {
        disk if disk == home => 0,
        before if before < home => before + 1,
        behind => behind,
    }
}

/// Returns the mounts of volumes on the root's disk that need no fstab.
fn discoverable(system: &Installed, volumes: &[&VolumeNames]) -> Vec<PlannedMount> {
    let Some(home) = volumes.get(system.volume).map(|names| names.disk) else {
        return Vec::new();
    };
    let is_free = |at: &str| system.fstab.iter().all(|entry| entry.at != at);
    let mut mounts: Vec<PlannedMount> = Vec::new();
    for (volume, names) in volumes.iter().enumerate() {
        let Some(at) = names.mount_point.filter(|at| is_free(at)) else {
            continue;
        };
        // Of two, as for alternating updates, the first.
        let is_taken = mounts.iter().any(|mount| mount.at == at);
        if names.disk == home && volume != system.volume && !is_taken {
            mounts.push(PlannedMount {
                at: at.into(),
                source: MountSource::Volume(volume, None),
            });
        }
    }
    mounts
}

#[cfg(test)]
mod tests;
