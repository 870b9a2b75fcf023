//! Systems on logical volumes.

use super::*;
use crate::rpm::tests::databases::made;
use crate::volume::tests::tools::{CREATE, Tools};

/// Returns the pieces of the logical volumes that `commands` make on partitions: each is the index of a machine, and a region of its disk.
fn group(
    partitions: &[(&Machine, Region)],
    commands: &[&str],
) -> Option<BTreeMap<String, Vec<(usize, Region)>>> {
    let files: Vec<_> = partitions
        .iter()
        .map(|(machine, region)| (machine.path(), *region))
        .collect();
    let tools = Tools::on(&files)?;
    for command in commands {
        tools.lvm(&command.replace("lvcreate", CREATE));
    }
    let mut pieces: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (number, (_, region)) in partitions.iter().enumerate() {
        for (name, mut piece) in tools.pieces(number) {
            piece.offset += region.offset;
            pieces.entry(name).or_default().push((number, piece));
        }
    }
    Some(pieces)
}

/// As RHEL 9 installs itself: the power was cut while the logs of XFS held the release files and the package database, and
/// its log held most of the packages.
#[test]
fn rhel_9_after_a_power_cut() {
    let Some(made) = made() else { return };
    let database = &made.databases["sqlite-wal"];
    let root = rhel()
        .file(
            "/etc/fstab",
            "/dev/mapper/rhel_host--1-root / xfs defaults 0 0\n\
             LABEL=boot /boot xfs defaults 0 0\n\
             /dev/vda2 /boot/efi vfat umask=0077 0 2\n\
             /dev/mapper/rhel_host--1-var /var xfs defaults 0 0\n\
             /dev/mapper/rhel_host--1-swap none swap defaults 0 0\n",
        )
        .file("/var/hidden", "")
        .file("/boot/hidden", "");
    let var = Tree::new()
        .file("/lib/rpm/rpmdb.sqlite", &database.file)
        .file("/lib/rpm/rpmdb.sqlite-wal", database.wal.as_ref().unwrap());

    let machine = Machine::new(1100);
    let script =
        format!("label: gpt\nsize=1MiB, {BIOS}\nsize=8MiB, type=U\nsize=64MiB, {LINUX}\n{LVM}\n");
    let Some(parts) = machine.partition(&script) else {
        return;
    };
    machine.format(parts[1], "mkfs.vfat");
    let commands = [
        "pvcreate @0",
        "vgcreate rhel_host-1 @0",
        "lvcreate -n swap -L 16m rhel_host-1",
        "lvcreate -n var -L 400m rhel_host-1",
        "lvcreate -n root -L 400m rhel_host-1",
    ];
    let Some(volumes) = group(&[(&machine, parts[3])], &commands) else {
        return;
    };
    let volume = |name: &str| volumes[name][0].1;
    let boot = Tree::new().file("/loader/entries/1.conf", "title RHEL\n");
    let made = [
        machine.install(parts[2], "mkfs.ext4 -q -L boot", &boot),
        machine.format(volume("swap"), "mkswap"),
        machine.install_and_crash(volume("root"), "mkfs.xfs -q", &root),
        machine.install_and_crash(volume("var"), "mkfs.xfs -q", &var),
    ];
    if made.contains(&None) {
        return;
    }

    let ignored = "ro,norecovery";
    assert_in_journal(&machine, volume("root"), ignored, "etc/os-release");
    assert_in_journal(&machine, volume("var"), ignored, "lib/rpm/rpmdb.sqlite");
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(
        (image.verdict, image.rhel_version.as_deref()),
        (Verdict::Rhel, Some("9.4"))
    );
    assert_eq!(
        places(&image),
        [
            ("/dev/rhel_host-1/root", Some("/")),
            ("/dev/rhel_host-1/swap", None),
            ("/dev/rhel_host-1/var", Some("/var")),
            ("/dev/vda1", None),
            ("/dev/vda2", Some("/boot/efi")),
            ("/dev/vda3", Some("/boot")),
        ]
    );
    let drive = &image.drives["/dev/vda"];
    let skipped = drive["/dev/rhel_host-1/swap"].skipped.as_deref();
    assert_eq!(skipped, Some("swap"));
    let found = packages(&image, "/dev/rhel_host-1/root");
    assert_eq!(found.package_count, count(database));

    // The kernel replays the logs of a copy, and `rpm` that of its database.
    let recovered = machine.copy();
    let Some(mount) = recovered.mount(volume("root"), "rw") else {
        return;
    };
    assert_same_volume(&machine, "/dev/rhel_host-1/root", mount.path());
    let os_release = found_release(&image, "/dev/rhel_host-1/root");
    assert_eq!(os_release, release(&mount));
    let mount = recovered.mount(volume("var"), "rw").unwrap();
    assert_same_volume(&machine, "/dev/rhel_host-1/var", mount.path());
    let path = mount.path().join("lib/rpm");
    // The packages were renamed after they had been signed.
    let unsigned = ["-qa", "--nosignature", "--nodigest", "--dbpath"];
    let listed = run(
        "rpm",
        &[&unsigned[..], &[path.to_str().unwrap()]].concat(),
        "",
    )
    .unwrap();
    assert_eq!(found.package_count, Some(listed.lines().count() as u64));
}

/// The second disk has no partition table, and `/usr` begins on the first.
#[test]
fn a_group_over_two_disks() {
    let (first, second) = (Machine::new(96), Machine::new(64));
    let script = format!("label: gpt\nsize=16MiB, {LINUX}\n{LVM}\n");
    let Some(parts) = first.partition(&script) else {
        return;
    };
    let whole = Region {
        offset: 0,
        size: 64 * MIB as u64,
    };
    let commands = [
        "pvcreate @0 @1",
        "vgcreate vg @0 @1",
        "lvcreate -n root -L 32m vg @0",
        "lvcreate -n usr -L 12m vg @0",
        "lvextend -L 48m vg/usr @1",
    ];
    let Some(volumes) = group(&[(&first, parts[1]), (&second, whole)], &commands) else {
        return;
    };
    let root = Tree::new()
        .file(
            "/etc/fstab",
            "/dev/vg/root / ext4 defaults\n/dev/vg/usr /usr ext4 defaults\n",
        )
        .file("/usr/hidden", "")
        .link("/etc/os-release", "../usr/lib/os-release");
    let usr = Tree::new().file("/lib/os-release", systems::RHEL);
    let (Some(root), Some(usr)) = (
        root.file_system("ext4", 32 * MIB),
        usr.file_system("ext4", 48 * MIB),
    ) else {
        return;
    };
    first.write(volumes["root"][0].1, &root);
    let mut rest = &usr[..];
    for (number, piece) in &volumes["usr"] {
        let bytes;
        (bytes, rest) = rest.split_at(piece.size as usize);
        [&first, &second][*number].write(*piece, bytes);
    }
    assert!(rest.is_empty() && volumes["usr"].len() == 2);

    let image = inspect(disks(&[&first, &second]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(image.verdict, Verdict::Rhel);
    let expected = [
        ("/dev/vda1", None),
        ("/dev/vg/root", Some("/")),
        ("/dev/vg/usr", Some("/usr")),
    ];
    assert_eq!(places(&image), expected);
    assert!(image.drives["/dev/vdb"].is_empty());

    let image = inspect(disks(&[&first]), MemoryBudget::default());
    assert_eq!(image.verdict, Verdict::Unknown);
    let errors = image.errors.join("\n");
    assert!(
        errors.contains("/dev/vg/usr: its physical volume"),
        "{errors}"
    );
    assert!(
        errors.contains("/usr of this system is on /dev/vg/usr"),
        "{errors}"
    );
}

#[test]
fn an_encrypted_root() {
    let machine = Machine::new(64);
    let script = format!("label: gpt\nsize=16MiB, {LINUX}\n{LVM}\n");
    let Some(parts) = machine.partition(&script) else {
        return;
    };
    let commands = [
        "pvcreate @0",
        "vgcreate vg @0",
        "lvcreate -n root -L 16m vg",
    ];
    let Some(volumes) = group(&[(&machine, parts[1])], &commands) else {
        return;
    };
    let boot = Tree::new().file("/vmlinuz", "");
    let Some(boot) = boot.file_system("ext4", 16 * MIB) else {
        return;
    };
    machine.write(parts[0], &boot);
    machine.write(volumes["root"][0].1, b"LUKS\xba\xbe\x00\x02");
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.verdict, Verdict::Unknown);
    assert_eq!(
        image.errors,
        ["/dev/vg/root: unsupported file system: luks"]
    );
}

/// Little is read of a large disk: the metadata needed, and the package database.
#[test]
fn a_disk_of_10_gib() {
    let Some(made) = made() else { return };
    let database = &made.databases["sqlite-many"];
    let machine = Machine::new(10 * 1024 + 8);
    let Some(parts) = machine.partition(&format!("label: gpt\n{LVM}\n")) else {
        return;
    };
    let commands = [
        "pvcreate @0",
        "vgcreate vg @0",
        "lvcreate -n root -L 10g vg",
    ];
    let Some(volumes) = group(&[(&machine, parts[0])], &commands) else {
        return;
    };
    let root = rhel().file("/var/lib/rpm/rpmdb.sqlite", &database.file);
    let Some(()) = machine.install(volumes["root"][0].1, "mkfs.xfs -q", &root) else {
        return;
    };
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!((image.verdict, &*image.errors), (Verdict::Rhel, &[][..]));
    let found = packages(&image, "/dev/vg/root");
    assert_eq!(found.package_count, count(database));
    let beside = image
        .stats
        .bytes_read
        .saturating_sub(database.file.len() as u64);
    assert!(beside < 2 * MIB as u64, "{beside}");
}
