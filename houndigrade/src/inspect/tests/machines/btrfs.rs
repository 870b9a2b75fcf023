//! Systems on subvolumes of btrfs.

use super::*;
use crate::rpm::tests::databases::made;

/// Shows all subvolumes.
const TOP: &str = "subvolid=5,commit=300";

/// Makes a machine with btrfs on its second partition, with these subvolumes in this order, and the default among them. It is copied
/// while it runs, when the files of the last have been synced one by one: they are in its log.
fn machine(subvolumes: &[(&str, &Tree)], default: Option<&str>) -> Option<(Machine, Region)> {
    let machine = Machine::new(300);
    let script = format!("label: gpt\nsize=16MiB, {LINUX}\n{LINUX}\n");
    let region = machine.partition(&script)?[1];
    machine.format(region, "mkfs.btrfs -q -L system")?;
    let mount = machine.mount(region, TOP)?;
    let at = |path: &str| format!("{}/{path}", mount.path().to_str().unwrap());
    for (path, _) in subvolumes {
        fs::create_dir_all(Path::new(&at(path)).parent().unwrap()).unwrap();
        run("btrfs", &["subvolume", "create", &at(path)], "")?;
    }
    if let Some(default) = default {
        run("btrfs", &["subvolume", "set-default", &at(default)], "")?;
    }
    let ((last, root), others) = subvolumes.split_last()?;
    for (path, tree) in others {
        tree.copy_to(Path::new(&at(path)));
    }
    run("sync", &["-f", &at("")], "")?;
    root.copy_to(Path::new(&at(last)));
    run(
        "find",
        &[&at(""), "-type", "f", "-exec", "sync", "{}", "+"],
        "",
    )?;
    let copy = machine.copy();
    Some((copy, region))
}

fn os_release(id: &str) -> Tree {
    Tree::new().file("/etc/os-release", format!("ID={id}\nVERSION_ID=1\n"))
}

#[test]
fn fedora() {
    let Some(made) = made() else { return };
    let database = &made.databases["sqlite-many"];
    let root = os_release("fedora")
        .file(
            "/etc/fstab",
            "LABEL=system / btrfs subvol=root,compress=zstd:1 0 0\nLABEL=system /home btrfs subvol=home 0 0\n",
        )
        .file("/usr/lib/sysimage/rpm/rpmdb.sqlite", &database.file);
    // A tree that a user unpacked is not installed.
    let home = os_release("rhel");
    let Some((machine, region)) = machine(&[("home", &home), ("root", &root)], None) else {
        return;
    };
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(image.verdict, Verdict::NotRhel);
    assert_eq!(image.distribution.as_ref().unwrap().id, "fedora");
    let system = &image.drives["/dev/vda"]["/dev/vda2"];
    assert_eq!(
        (system.mounted_at.as_deref(), system.root.as_deref()),
        (Some("/"), Some("/root"))
    );
    assert_eq!(packages(&image, "/dev/vda2").package_count, count(database));

    let recovered = machine.copy();
    let Some(mount) = recovered.mount(region, "subvol=root") else {
        return;
    };
    assert_eq!(found_release(&image, "/dev/vda2"), release(&mount));
    drop(mount);
    let mount = recovered.mount(region, TOP).unwrap();
    assert_same_volume(&machine, "/dev/vda2", mount.path());
}

/// The root is a snapshot, marked by the superblock's default alone.
#[test]
fn sles() {
    let Some(made) = made() else { return };
    let database = &made.databases["ndb-many"];
    let fstab = "LABEL=system / btrfs defaults 0 0\n\
         LABEL=system /var btrfs subvol=/@/var 0 0\n\
         LABEL=system /.snapshots btrfs subvol=/@/.snapshots 0 0\n";
    let before = os_release("opensuse");
    let root = os_release("sles")
        .file("/etc/fstab", fstab)
        .file("/usr/lib/sysimage/rpm/Packages.db", &database.file)
        .file("/var/lib/hidden", "")
        .file("/.snapshots/hidden", "");
    let var = Tree::new().link("/lib/rpm", "../../usr/lib/sysimage/rpm");
    let subvolumes = [
        ("@", &before),
        ("@/var", &var),
        ("@/.snapshots", &Tree::new()),
        ("@/.snapshots/1/snapshot", &root),
    ];
    let Some((machine, region)) = machine(&subvolumes, Some("@/.snapshots/1/snapshot")) else {
        return;
    };
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(image.verdict, Verdict::NotRhel);
    assert_eq!(image.distribution.as_ref().unwrap().id, "sles");
    let system = &image.drives["/dev/vda"]["/dev/vda2"];
    assert_eq!(system.root.as_deref(), Some("/@/.snapshots/1/snapshot"));
    let found = packages(&image, "/dev/vda2");
    // Debian's rpm does not read ndb: these are the same packages in another format.
    assert_eq!(found.package_count, count(&made.databases["sqlite-many"]));
    assert_eq!(
        found.database.as_ref().unwrap().path,
        "/var/lib/rpm/Packages.db"
    );

    let recovered = machine.copy();
    let Some(mount) = recovered.mount(region, "rw") else {
        return;
    };
    assert_eq!(found_release(&image, "/dev/vda2"), release(&mount));
    drop(mount);
    let mount = recovered.mount(region, TOP).unwrap();
    assert_same_volume(&machine, "/dev/vda2", mount.path());
}

/// An fstab without a subvolume means the default one, under any name.
#[rstest]
#[case::top_level(None, "top level")]
#[case::default(Some("usr"), "usr")]
fn a_mount_without_a_subvolume(#[case] default: Option<&str>, #[case] id: &str) {
    let usr = |id: &str| Tree::new().file("/lib/os-release", format!("ID='{id}'\n"));
    let top = usr("top level");
    let subvolumes = [("", &top), ("root", &usr("root")), ("usr", &usr("usr"))];
    let Some((machine, region)) = machine(&subvolumes[1..], default) else {
        return;
    };
    let Some(mount) = machine.mount(region, TOP) else {
        return;
    };
    top.copy_to(mount.path());
    drop(mount);
    let root = Tree::new()
        .file("/etc/fstab", "/dev/vda2 /usr btrfs defaults\n")
        .file("/usr/hidden", "")
        .link("/etc/os-release", "../usr/lib/os-release");
    let Some(()) = machine.install(
        Region {
            offset: MIB as u64,
            size: 16 * MIB as u64,
        },
        "mkfs.ext4 -q",
        &root,
    ) else {
        return;
    };
    let image = inspect(disks(&[&machine]), MemoryBudget::default());
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(image.distribution.as_ref().unwrap().id, id);
    let mount = machine.mount(region, "ro").unwrap();
    let shown = fs::read_to_string(mount.path().join("lib/os-release")).unwrap();
    assert_eq!(shown, format!("ID='{id}'\n"));
}
