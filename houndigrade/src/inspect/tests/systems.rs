//! Systems made of several file systems.

use super::*;

pub(super) const RHEL: &str = "NAME=\"Red Hat Enterprise Linux\"\nID=rhel\nVERSION_ID=9.4\n";

fn disks(disks: Vec<Vec<u8>>) -> InspectedImage {
    let disk = |(name, bytes): (char, _)| Disk {
        name: format!("/dev/sd{name}"),
        source: Ok(Arc::new(MemoryDisk(bytes))),
    };
    inspect(
        ('a'..).zip(disks).map(disk).collect(),
        MemoryBudget::default(),
    )
}

/// Makes a disk with GPT and the trees, each of 4 MiB, in its partitions.
fn parts(trees: &[&Tree]) -> Option<Vec<u8>> {
    let size = 4 * MIB;
    let mut script = "label: gpt\n".to_owned();
    for _ in trees {
        script += "size=4MiB, type=L\n";
    }
    let mut disk = partitioned((trees.len() + 2) * size, &script)?;
    for (index, tree) in trees.iter().enumerate() {
        place(
            &mut disk,
            MIB + index * size,
            &tree.file_system("ext4", size)?,
        );
    }
    Some(disk)
}

/// Makes a system with `/usr` elsewhere.
fn without_usr(fstab: &str) -> Tree {
    Tree::new()
        .file("/etc/fstab", fstab)
        .file("/usr/hidden", "")
        .link("/etc/os-release", "../usr/lib/os-release")
        .link("/etc/redhat-release", "/lib/redhat-release")
        .link("/lib", "usr/lib")
}

fn usr() -> Tree {
    Tree::new()
        .file("/lib/os-release", RHEL)
        .file("/lib/redhat-release", "Red Hat Enterprise Linux 9.4\n")
}

pub(super) fn places(image: &InspectedImage) -> Vec<(&str, Option<&str>)> {
    let partitions = image.drives.values().flatten();
    partitions
        .map(|(name, partition)| (&**name, partition.mounted_at.as_deref()))
        .collect()
}

#[test]
fn usr_of_its_own() {
    let root = without_usr("/dev/vda1 / ext4 defaults\n/dev/vda2 /usr ext4 defaults\n");
    let Some(disk) = parts(&[&root, &usr()]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!(image.errors, [""; 0]);
    assert_eq!(
        (image.verdict, image.rhel_version.as_deref()),
        (Verdict::Rhel, Some("9.4"))
    );
    assert_eq!(
        places(&image),
        [("/dev/sda1", Some("/")), ("/dev/sda2", Some("/usr"))]
    );
    let paths: Vec<_> = image
        .evidence
        .iter()
        .map(|evidence| &*evidence.path)
        .collect();
    assert_eq!(paths, ["/etc/os-release", "/etc/redhat-release"]);
    let usr = &image.drives["/dev/sda"]["/dev/sda2"];
    assert_eq!(
        (&usr.error, usr.facts.rhel_release_files.rhel_found),
        (&None, None)
    );
}

#[test]
fn usr_on_another_disk() {
    let root = without_usr("/dev/sda1 / ext4 defaults\n/dev/sdb1 /usr ext4 defaults\n");
    let (Some(first), Some(second)) = (parts(&[&root]), parts(&[&usr()])) else {
        return;
    };
    let image = disks(vec![first.clone(), second]);
    assert_eq!((image.verdict, &*image.errors), (Verdict::Rhel, &[][..]));
    assert_eq!(
        places(&image),
        [("/dev/sda1", Some("/")), ("/dev/sdb1", Some("/usr"))]
    );

    let image = disks(vec![first]);
    assert_eq!(image.verdict, Verdict::Unknown);
    assert!(!image.readable);
    let expected = "/usr of this system is on /dev/sdb1, which is not among the image's disks";
    assert!(image.errors[0].contains(expected), "{:?}", image.errors);
    assert!(
        codes(&image)
            .iter()
            .all(|&code| code == ProblemCode::Missing)
    );
}

/// Evidence on the rest still counts.
#[test]
fn evidence_beside_a_missing_usr() {
    let root = without_usr("UUID=1 /usr ext4 defaults\n").file(
        "/etc/system-release",
        "Red Hat Enterprise Linux release 9.4 (Plow)\n",
    );
    let Some(disk) = parts(&[&root]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!((image.verdict, image.errors.len()), (Verdict::Rhel, 1));
    assert!(image.rhel_release_files_found);
}

#[rstest]
#[case::data("UUID=1 /data ext4 defaults")]
#[case::not_at_boot("UUID=1 /usr ext4 noauto")]
#[case::nonsense("UUID= ext4 /usr\n/dev/sda9\n= = = =\nLABEL=x ../usr ext4 defaults\n")]
#[case::itself(
    "/ /usr/again none bind\n/usr /usr none bind\n/nothing /etc none bind\n/dev/sda1 /mnt ext4 ro\n"
)]
fn file_systems_that_do_not_matter(#[case] fstab: &str) {
    let Some(disk) = parts(&[&debian().file("/etc/fstab", fstab)]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!((image.verdict, &*image.errors), (Verdict::NotRhel, &[][..]));
}

#[test]
fn a_part_that_is_encrypted() {
    let root = without_usr("/dev/sda2 /usr ext4 defaults\n");
    let Some(mut disk) = parts(&[&root, &Tree::new()]) else {
        return;
    };
    place(&mut disk, 5 * MIB, b"LUKS\xba\xbe");
    let image = disks(vec![disk]);
    assert_eq!(image.verdict, Verdict::Unknown);
    assert_eq!(image.errors.len(), 2);
    assert!(codes(&image).contains(&ProblemCode::Encrypted));
    let expected =
        "/usr of this system is on /dev/sda2, which was not read: unsupported file system: luks";
    assert!(image.errors[0].contains(expected), "{:?}", image.errors);
}

#[test]
fn an_fstab_beyond_its_limits() {
    let fstab = "UUID=1 /data ext4 defaults\n".repeat(300);
    let Some(disk) = parts(&[&debian().file("/etc/fstab", fstab)]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!(image.verdict, Verdict::Unknown);
    let expected = "/dev/sda1: reading /etc/fstab: /etc/fstab: more than 256 file systems";
    assert_eq!(image.errors, [expected]);
}

#[test]
fn two_systems() {
    let other = debian().file("/etc/fstab", "/dev/sda1 /mnt/rhel ext4 ro\n");
    let Some(disk) = parts(&[&rhel(), &other]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!((image.verdict, &*image.errors), (Verdict::Rhel, &[][..]));
    assert_eq!(image.distribution.as_ref().unwrap().id, "rhel");
    assert_eq!(
        places(&image),
        [("/dev/sda1", Some("/")), ("/dev/sda2", Some("/"))]
    );
    let debian = &image.drives["/dev/sda"]["/dev/sda2"].facts;
    assert_eq!(debian.rhel_release_files.rhel_found, Some(false));
}

/// `/boot` and root of RHEL CoreOS: two deployments, the newer one boots.
pub(super) fn coreos() -> (Tree, Tree) {
    let entry = |version, kernel| {
        format!(
            "title x\nversion {version}\noptions root=UUID=1 ostree=/ostree/boot.1/rhcos/{kernel}/0 rw\n"
        )
    };
    let boot = Tree::new()
        .link("/loader", "loader.1")
        .file("/loader.1/entries/ostree-1-rhcos.conf", entry(1, "aaa"))
        .file("/loader.1/entries/ostree-2-rhcos.conf", entry(2, "bbb"));
    let root = Tree::new()
        .link("/ostree/boot.1", "boot.1.1")
        .link(
            "/ostree/boot.1.1/rhcos/aaa/0",
            "../../../deploy/rhcos/deploy/old.0",
        )
        .link(
            "/ostree/boot.1.1/rhcos/bbb/0",
            "../../../deploy/rhcos/deploy/new.0",
        )
        .file(
            "/ostree/deploy/rhcos/deploy/old.0/etc/os-release",
            "ID=fedora\n",
        )
        .file("/ostree/deploy/rhcos/deploy/new.0/usr/lib/os-release", RHEL)
        .link(
            "/ostree/deploy/rhcos/deploy/new.0/usr/etc/os-release",
            "../usr/lib/os-release",
        )
        .link(
            "/ostree/deploy/rhcos/deploy/new.0/usr/etc/rhsm",
            "/var/rhsm",
        )
        .file("/ostree/deploy/rhcos/deploy/new.0/var/hidden", "")
        .file(
            "/ostree/deploy/rhcos/var/rhsm/syspurpose/syspurpose.json",
            r#"{"role": "x"}"#,
        );
    (boot, root)
}

#[test]
fn ostree() {
    let (boot, root) = coreos();
    let Some(disk) = parts(&[&boot, &root]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!((image.verdict, &*image.errors), (Verdict::Rhel, &[][..]));
    assert_eq!(image.distribution.as_ref().unwrap().id, "rhel");
    assert_eq!(image.syspurpose.as_ref().unwrap()["role"], "x");
    let root = &image.drives["/dev/sda"]["/dev/sda2"];
    assert_eq!(
        root.root.as_deref(),
        Some("/ostree/deploy/rhcos/deploy/new.0")
    );
    assert_eq!(image.evidence[0].path, "/etc/os-release");
}

/// An image that has never booted: the deployment's own `/var` is what there is.
#[test]
fn ostree_before_its_first_boot() {
    let root = Tree::new()
        .link(
            "/ostree/boot.1/fedora/aaa/0",
            "../../../deploy/fedora/deploy/new.0",
        )
        .file(
            "/ostree/deploy/fedora/deploy/new.0/usr/lib/os-release",
            "ID=fedora\n",
        )
        .file("/ostree/deploy/fedora/deploy/new.0/usr/etc/fstab", "");
    let Some(disk) = parts(&[&root]) else {
        return;
    };
    let image = disks(vec![disk]);
    assert_eq!((image.verdict, &*image.errors), (Verdict::NotRhel, &[][..]));
}

#[rstest]
#[case::windows("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", b"BOOTMGR is missing", true)]
#[case::older_windows("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", b"NTLDR is missing", true)]
#[case::data(
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    b"This is not a bootable disk",
    false
)]
#[case::another_type("0FC63DAF-8483-4772-8E79-3D69D8477DE4", b"BOOTMGR is missing", false)]
fn windows(#[case] kind: &str, #[case] message: &[u8], #[case] is_windows: bool) {
    let script = format!("label: gpt\n1MiB,2MiB,{kind}\n");
    let Some(mut disk) = partitioned(4 * MIB, &script) else {
        return;
    };
    place(&mut disk, MIB + 3, b"NTFS    ");
    place(&mut disk, MIB + 0x180, message);
    let image = disks(vec![disk]);
    let note = if is_windows {
        "; it looks like Windows"
    } else {
        ""
    };
    assert_eq!(
        image.errors,
        [format!("/dev/sda1: unsupported file system: ntfs{note}")]
    );
    assert_eq!(
        (image.verdict, image.distribution),
        (Verdict::Unknown, None)
    );
}

#[test]
fn too_many_file_systems() {
    let mut script = "label: gpt\nunit: sectors\n".to_owned();
    for number in 0..66 {
        script += &format!("start={}, size=256, type=L\n", 2048 + number * 256);
    }
    let (Some(mut disk), Some(small)) = (
        partitioned(16 * MIB, &script),
        debian().file_system("ext2", 128 * 1024),
    ) else {
        return;
    };
    let starts: Vec<_> = crate::partition::read(&MemoryDisk(disk.clone()))
        .unwrap()
        .partitions
        .iter()
        .map(|part| part.start as usize)
        .collect();
    for start in starts {
        place(&mut disk, start, &small);
    }
    let image = disks(vec![disk]);
    assert_eq!(image.verdict, Verdict::Unknown);
    let expected = ["65", "66"].map(|number| {
        format!("/dev/sda{number}: more than 64 file systems on the disks of one image")
    });
    assert_eq!(image.errors, expected);
}
