//! Machines as installers leave them, or as they are when their power is cut: what is found must be what the kernel and plain
//! tools see on a copy of the disk.

mod btrfs;
mod lvm;
mod partitions;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::systems::places;
use super::*;
use crate::rpm::tests::databases::Made;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::machine::{Machine, Region};
use crate::test_disks::run;
use houndigrade_report::SignedPackages;

/// GPT's types of partitions for the BIOS, UEFI, Linux and LVM2.
const BIOS: &str = "type=21686148-6449-6E6F-744E-656564454649";
const LINUX: &str = "type=L";
const LVM: &str = "type=V";

/// Machines of one image; the first has the disk `/dev/vda`.
fn disks(machines: &[&Machine]) -> Vec<Disk> {
    let disk = |(name, machine): (char, &&Machine)| Disk {
        name: format!("/dev/vd{name}"),
        source: Ok(Arc::new(machine.source())),
    };
    ('a'..).zip(machines).map(disk).collect()
}

/// Fails the test unless the volume called `name` has the same tree as the folder.
fn assert_same_volume(machine: &Machine, name: &str, folder: &Path) {
    let observed = volumes::observe(disks(&[machine]), MemoryBudget::default());
    let volume = observed.volumes.iter().find(|volume| volume.name == name);
    assert_same_tree(volume.unwrap().tree().unwrap(), folder);
}

/// Fails the test if the file is where it belongs, and not only in the journal: mounted with `options`, the kernel ignores that.
fn assert_in_journal(machine: &Machine, region: Region, options: &str, file: &str) {
    let copy = machine.copy();
    if let Some(mount) = copy.mount(region, options) {
        assert!(!mount.path().join(file).exists(), "{file} is on the disk");
    }
}

/// Returns the packages found on a partition.
fn packages<'a>(image: &'a InspectedImage, partition: &str) -> &'a SignedPackages {
    &image.drives["/dev/vda"][partition]
        .facts
        .rhel_signed_packages
}

/// Returns the number of packages that `rpm` finds in a database.
fn count(made: &Made) -> Option<u64> {
    Some(made.answer.as_ref().unwrap().len() as u64)
}

/// Returns the os-release of the kernel's copy.
fn release(mount: &KernelMount) -> String {
    fs::read_to_string(mount.path().join("etc/os-release")).unwrap()
}

/// Returns the contents found of `/etc/os-release`.
fn found_release<'a>(image: &'a InspectedImage, partition: &str) -> &'a str {
    let files = &image.drives["/dev/vda"][partition].facts.rhel_release_files;
    let file = files
        .release_files
        .iter()
        .find(|file| file.rhel_release_file == "/etc/os-release");
    &file.unwrap().rhel_release_file_contents
}
