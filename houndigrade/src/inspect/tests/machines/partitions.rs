//! Systems on partitions.

use super::*;
use crate::rpm::tests::databases::made;

const RHEL_7: &str = "NAME=\"Red Hat Enterprise Linux Server\"\nID=\"rhel\"\nVERSION_ID=\"7.9\"\n";

/// RHEL 7 in a logical partition, cut off before the journal of ext4 was written back.
#[test]
fn rhel_7_after_a_power_cut() {
    let Some(made) = made() else { return };
    let database = &made.databases["berkeley-many"];
    let root = Tree::new()
        .file(
            "/etc/fstab",
            "/dev/sda6 / ext4 defaults 1 1\n/dev/sda1 /boot ext4 defaults 1 2\n/dev/sda5 swap swap defaults 0 0\n",
        )
        .file("/etc/redhat-release", "Red Hat Enterprise Linux Server release 7.9 (Maipo)\n")
        .file("/etc/os-release", RHEL_7)
        .file("/var/lib/rpm/Packages", &database.file);
    let machine = Machine::new(160);
    let script = "label: dos\nsize=16MiB, type=83, bootable\ntype=5\nsize=8MiB, type=82\ntype=83\n";
    let Some(parts) = machine.partition(script) else {
        return;
    };
    let boot = Tree::new().file("/vmlinuz", "");
    let made = [
        machine.install(parts[0], "mkfs.ext4 -q", &boot),
        machine.format(parts[2], "mkswap"),
        machine.install_and_crash(parts[3], "mkfs.ext4 -q", &root),
    ];
    if made.contains(&None) {
        return;
    }

    let mut features = [0; 4];
    let superblock = parts[3].offset + 1024;
    machine
        .source()
        .read_at(superblock + 0x60, &mut features)
        .unwrap();
    assert!(u32::from_le_bytes(features) & 4 != 0, "nothing to recover");
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(
        (image.verdict, image.rhel_version.as_deref()),
        (Verdict::Rhel, Some("7.9"))
    );
    let expected = [
        ("/dev/vda1", Some("/boot")),
        ("/dev/vda5", None),
        ("/dev/vda6", Some("/")),
    ];
    assert_eq!(places(&image), expected);
    let found = packages(&image, "/dev/vda6");
    assert_eq!(found.package_count, count(database));

    let recovered = machine.copy();
    let Some(mount) = recovered.mount(parts[3], "rw") else {
        return;
    };
    assert_same_volume(&machine, "/dev/vda6", mount.path());
    assert_eq!(found_release(&image, "/dev/vda6"), release(&mount));
}

/// RHEL CoreOS has its deployments on XFS, and its boot loader entries on another partition.
#[test]
fn coreos_after_a_power_cut() {
    let (boot, root) = systems::coreos();
    let machine = Machine::new(420);
    let script =
        format!("label: gpt\nsize=1MiB, {BIOS}\nsize=8MiB, type=U\nsize=32MiB, {LINUX}\n{LINUX}\n");
    let Some(parts) = machine.partition(&script) else {
        return;
    };
    let made = [
        machine.install_and_crash(parts[2], "mkfs.ext4 -q -L boot", &boot),
        machine.install_and_crash(parts[3], "mkfs.xfs -q -L root", &root),
    ];
    if made.contains(&None) {
        return;
    }

    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!((image.verdict, &*image.errors), (Verdict::Rhel, &[][..]));
    let root = &image.drives["/dev/vda"]["/dev/vda4"];
    let deployment = "/ostree/deploy/rhcos/deploy/new.0";
    assert_eq!(root.root.as_deref(), Some(deployment));

    let recovered = machine.copy();
    let Some(mount) = recovered.mount(parts[3], "rw") else {
        return;
    };
    assert_same_volume(&machine, "/dev/vda4", mount.path());
    let vendors = format!("{deployment}/usr/lib/os-release");
    let vendors = fs::read_to_string(mount.path().join(&vendors[1..])).unwrap();
    assert_eq!(found_release(&image, "/dev/vda4"), vendors);
}

/// Each is a system of its own, and has a `/usr` of its own, or none.
#[test]
fn two_systems_and_one_usr() {
    let script =
        format!("label: gpt\nsize=16MiB, {LINUX}\nsize=16MiB, {LINUX}\nsize=16MiB, {LINUX}\n");
    let machine = Machine::new(64);
    let Some(parts) = machine.partition(&script) else {
        return;
    };
    let without_usr = |number| {
        Tree::new()
            .file(
                "/etc/fstab",
                format!("/dev/vda{number} /usr ext4 defaults\n"),
            )
            .file("/usr/hidden", "")
            .link("/etc/os-release", "../usr/lib/os-release")
    };
    let usr = Tree::new().file("/lib/os-release", "ID=fedora\nVERSION_ID=41\n");
    for (part, tree) in parts.iter().zip([&without_usr(3), &without_usr(4), &usr]) {
        let Some(()) = machine.install(*part, "mkfs.ext4 -q", tree) else {
            return;
        };
    }
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.verdict, Verdict::Unknown);
    assert_eq!(image.distribution.as_ref().unwrap().id, "fedora");
    let expected = [
        ("/dev/vda1", Some("/")),
        ("/dev/vda2", Some("/")),
        ("/dev/vda3", Some("/usr")),
    ];
    assert_eq!(places(&image), expected);
    let missing = "/usr of this system is on /dev/vda4, which is not among the image's disks";
    assert_eq!(image.errors.len(), 1, "{:?}", image.errors);
    assert!(image.errors[0].starts_with("/dev/vda2: ") && image.errors[0].contains(missing));
}
