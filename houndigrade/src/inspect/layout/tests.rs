use rstest::rstest;

use super::*;

/// Two disks: three partitions and two logical volumes on the first, two partitions on the second, which has copies of names of the first.
fn volumes() -> Vec<VolumeNames> {
    let partition = |disk, number: u32, uuid: &str| VolumeNames {
        disk,
        number: Some(number),
        filesystem: Identity {
            uuid: Some(uuid.into()),
            label: Some(format!("label-{uuid}")),
        },
        part_uuid: Some(format!("0b1b2b3b-{disk}{number}")),
        part_label: Some(format!("part {disk}{number}")),
        ..VolumeNames::default()
    };
    let logical = |path: &str, uuid: &str| VolumeNames {
        number: None,
        logical_volume: Some(path.into()),
        part_uuid: None,
        part_label: None,
        ..partition(0, 0, uuid)
    };
    vec![
        partition(0, 1, "aaaa"),
        partition(0, 2, "bbbb"),
        partition(0, 3, "cccc"),
        logical("/dev/my-vg/usr", "dddd"),
        logical("/dev/my-vg/var", "eeee"),
        partition(1, 1, "bbbb"),
        partition(1, 2, "ffff"),
    ]
}

fn mounts_of(fstab: &str, root: usize, volumes: &[VolumeNames]) -> Vec<PlannedMount> {
    let system = Installed {
        volume: root,
        directory: "/".into(),
        deployment: None,
        fstab: fstab::parse(fstab).unwrap(),
    };
    mounts(&system, &volumes.iter().collect::<Vec<_>>())
}

/// The root is on volume `root`; the fstab mounts `source` at `/usr`.
#[rstest]
#[case::uuid(0, "UUID=cccc", Some(2))]
#[case::upper_case(0, "UUID=CCCC", Some(2))]
#[case::copy(0, "UUID=bbbb", Some(1))]
#[case::copy_on_the_disk_of_the_root(6, "UUID=bbbb", Some(5))]
#[case::label(0, "LABEL=label-cccc", Some(2))]
#[case::labels_have_a_case(0, "LABEL=LABEL-CCCC", None)]
#[case::part_uuid(0, "PARTUUID=0B1B2B3B-03", Some(2))]
#[case::part_label(0, "PARTLABEL=\"part 12\"", Some(6))]
#[case::path(0, "/dev/sda2", Some(1))]
#[case::path_of_another_machine(0, "/dev/nvme0n1p2", Some(1))]
#[case::path_on_the_disk_of_the_root(5, "/dev/xvda2", Some(6))]
#[case::other_disk(0, "/dev/sdb2", Some(6))]
#[case::other_disk_before_that_of_the_root(5, "/dev/sdb3", Some(2))]
#[case::no_such_disk(0, "/dev/sdc1", None)]
#[case::no_such_partition(0, "/dev/sda4", None)]
#[case::logical_volume(0, "/dev/my-vg/usr", Some(3))]
#[case::mapper(0, "/dev/mapper/my--vg-usr", Some(3))]
#[case::logical_volumes_are_no_whole_disks(0, "/dev/sda", None)]
#[case::network(0, "server:/usr", None)]
fn file_systems_are_found(#[case] root: usize, #[case] device: &str, #[case] found: Option<usize>) {
    let source = match found {
        Some(volume) => MountSource::Volume(volume, None),
        None => MountSource::Nothing(format!(
            "/usr of this system is on {}, which is not among the image's disks",
            device.replace('"', "")
        )),
    };
    let expected = PlannedMount {
        at: "/usr".into(),
        source,
    };
    assert_eq!(
        mounts_of(&format!("{device} /usr ext4 ro"), root, &volumes()),
        [expected]
    );
}

#[test]
fn a_whole_disk_can_be_meant() {
    let mut volumes = volumes();
    volumes[6].number = None;
    let mounts = mounts_of("/dev/vdb /usr ext4", 0, &volumes);
    assert_eq!(mounts[0].source, MountSource::Volume(6, None));
}

#[test]
fn parents_come_first_and_directories_last() {
    let fstab = "
/data/lib /var/lib none bind
UUID=cccc /usr/lib/sysimage ext4
UUID=bbbb /data ext4
UUID=aaaa /usr btrfs subvol=@usr
UUID=gone /opt ext4 noauto
nonsense
";
    let mounts = mounts_of(fstab, 6, &volumes());
    let at: Vec<_> = mounts.iter().map(|mount| &*mount.at).collect();
    assert_eq!(at, ["/data", "/usr", "/usr/lib/sysimage", "/var/lib"]);
    assert_eq!(
        mounts[1].source,
        MountSource::Volume(0, Some("/@usr".into()))
    );
    assert_eq!(mounts[3].source, MountSource::Directory("/data/lib".into()));
    assert_eq!(place(&mounts, 0), Some("/usr"));
    assert_eq!(place(&mounts, 6), None);
}

#[test]
fn subvolumes_are_not_found_by_number() {
    let mounts = mounts_of("UUID=bbbb /var btrfs subvolid=300", 0, &volumes());
    let MountSource::Nothing(why) = &mounts[0].source else {
        panic!("{mounts:?}");
    };
    assert!(
        why.starts_with("/var of this system is subvolume 300 of UUID=bbbb"),
        "{why}"
    );
}

/// Volume 2 has the type of `/usr`, and so has its copy for updates, volume 6 on another disk, and volume 1 of `/var`.
#[rstest]
#[case::by_type("", &[("/var", 1), ("/usr", 2)])]
#[case::fstab_counts_more("UUID=aaaa /usr ext4", &[("/usr", 0), ("/var", 1)])]
fn partitions_of_known_types_need_no_fstab(
    #[case] fstab: &str,
    #[case] expected: &[(&str, usize)],
) {
    let mut volumes = volumes();
    volumes[1].mount_point = Some("/var");
    volumes[2].mount_point = Some("/usr");
    volumes[4].mount_point = Some("/usr");
    volumes[6].mount_point = Some("/usr");
    let expected = expected.iter().map(|&(at, volume)| PlannedMount {
        at: at.into(),
        source: MountSource::Volume(volume, None),
    });
    assert_eq!(mounts_of(fstab, 3, &volumes), expected.collect::<Vec<_>>());
}

#[test]
fn deployments_share_their_var() {
    let system = Installed {
        volume: 0,
        directory: "/root".into(),
        deployment: Some(Deployment {
            link: "/ostree/boot.1/fedora/aaa/0".into(),
            root: "/ostree/deploy/fedora/deploy/new.0".into(),
            var: "/ostree/deploy/fedora/var".into(),
        }),
        fstab: fstab::parse("UUID=aaaa /var btrfs subvol=var").unwrap(),
    };
    assert_eq!(system.root(), "/root/ostree/deploy/fedora/deploy/new.0");
    let mounted = |at: &str, path: &str| PlannedMount {
        at: at.into(),
        source: MountSource::Volume(0, Some(path.into())),
    };
    let expected = [
        mounted("/sysroot", "/root"),
        mounted("/var", "/root/ostree/deploy/fedora/var"),
        mounted("/var", "/var"),
    ];
    assert_eq!(
        mounts(&system, &volumes().iter().collect::<Vec<_>>()),
        expected
    );
}
