use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn one(line: &str) -> Option<FstabEntry> {
    let mut entries = parse(line).unwrap();
    assert!(entries.len() <= 1);
    entries.pop()
}

fn text(text: &str) -> String {
    text.into()
}

#[rstest]
#[case::uuid(
    "UUID=387f8c53-76e7-4bf7-a4d7-521b8ddd1591",
    Device::Uuid(text("387f8c53-76e7-4bf7-a4d7-521b8ddd1591"))
)]
#[case::quoted("UUID=\"387f\"", Device::Uuid(text("387f")))]
#[case::label("LABEL=my\\040usr", Device::Label(text("my usr")))]
#[case::quoted_label("LABEL=\"my usr\"", Device::Label(text("my usr")))]
#[case::part_uuid("PARTUUID=0b1b2b3b-02", Device::PartUuid(text("0b1b2b3b-02")))]
#[case::part_label("PARTLABEL=USR-A", Device::PartLabel(text("USR-A")))]
#[case::by_uuid("/dev/disk/by-uuid/387F-8C53", Device::Uuid(text("387F-8C53")))]
#[case::by_label("/dev/disk/by-label/my\\x20usr", Device::Label(text("my usr")))]
#[case::by_label_unescaped("/dev/disk/by-label/a\\xé", Device::Label(text("a\\xé")))]
#[case::by_part_uuid("/dev/disk/by-partuuid/0b-02", Device::PartUuid(text("0b-02")))]
#[case::by_part_label("/dev/disk/by-partlabel/p.usr", Device::PartLabel(text("p.usr")))]
#[case::by_path("/dev/disk/by-path/pci-0", Device::Other)]
#[case::first_disk("/dev/sda2", Device::Partition { disk: 0, number: Some(2) })]
#[case::xen("/dev/xvdb12", Device::Partition { disk: 1, number: Some(12) })]
#[case::whole("/dev/vdc", Device::Partition { disk: 2, number: None })]
#[case::many_disks("/dev/sdaa1", Device::Partition { disk: 26, number: Some(1) })]
#[case::nvme("/dev/nvme0n1p2", Device::Partition { disk: 0, number: Some(2) })]
#[case::whole_nvme("/dev/nvme1n1", Device::Partition { disk: 1, number: None })]
#[case::mmc("/dev/mmcblk0p1", Device::Partition { disk: 0, number: Some(1) })]
#[case::number_too_large("/dev/sda99999999999", Device::Other)]
#[case::optical("/dev/sr0", Device::Other)]
#[case::volume("/dev/vg/lv_usr", Device::LogicalVolume(text("/dev/vg/lv_usr")))]
#[case::mapper("/dev/mapper/vg-usr", Device::LogicalVolume(text("/dev/vg/usr")))]
#[case::mapper_with_dashes(
    "/dev/mapper/my--vg-lv--usr",
    Device::LogicalVolume(text("/dev/my-vg/lv-usr"))
)]
#[case::mapper_of_something_else("/dev/mapper/luks", Device::Other)]
#[case::network("server:/export", Device::Other)]
fn names_of_file_systems(#[case] source: &str, #[case] device: Device) {
    let entry = one(&format!("{source}\t/usr  ext4 defaults 0 2")).unwrap();
    assert_eq!((entry.device, &*entry.at), (device, "/usr"));
}

#[rstest]
#[case::plain("/dev/sda2 /usr ext4 ro 0 0", Some("/usr"))]
#[case::without_options("/dev/sda2 /usr ext4", Some("/usr"))]
#[case::indented("  /dev/sda2 /usr ext4 ro", Some("/usr"))]
#[case::escaped("/dev/sda2 /my\\040files\\134 ext4 ro", Some("/my files\\"))]
#[case::quoted("/dev/sda2 \"/my files\" ext4 ro", Some("/my files"))]
#[case::untidy("/dev/sda2 //usr/./lib/ ext4 ro", Some("/usr/lib"))]
#[case::half_an_escape("/dev/sda2 /usr\\04 ext4 ro", Some("/usr\\04"))]
#[case::escape_beyond_a_byte("/dev/sda2 /usr\\777 ext4 ro", Some("/usr\\777"))]
#[case::comment("# /dev/sda2 /usr ext4 ro", None)]
#[case::two_fields("/dev/sda2 /usr", None)]
#[case::open_quote("/dev/sda2 \"/usr ext4 ro", None)]
#[case::relative("/dev/sda2 usr ext4 ro", None)]
#[case::upwards("/dev/sda2 /../usr ext4 ro", None)]
#[case::root("/dev/sda2 / ext4 ro", None)]
#[case::swap("/dev/sda3 none swap sw", None)]
#[case::in_memory("tmpfs /tmp tmpfs size=1g", None)]
#[case::empty("", None)]
fn lines(#[case] line: &str, #[case] at: Option<&str>) {
    assert_eq!(one(line).map(|entry| entry.at).as_deref(), at);
}

#[rstest]
#[case::none("defaults", None, None, false)]
#[case::subvolume("compress=zstd:1,subvol=/@/var", Some("/@/var"), None, false)]
#[case::relative_subvolume("subvol=root", Some("/root"), None, false)]
#[case::number("subvolid=257", None, Some(257), false)]
#[case::top("subvolid=5", Some("/"), None, false)]
#[case::path_and_number("subvolid=257,subvol=/home", Some("/home"), None, false)]
#[case::not_at_boot("ro,noauto", None, None, true)]
fn options_of_a_mount(
    #[case] options: &str,
    #[case] subvolume: Option<&str>,
    #[case] subvolume_id: Option<u64>,
    #[case] optional: bool,
) {
    let entry = one(&format!("UUID=1 /usr btrfs {options} 0 0")).unwrap();
    assert_eq!(
        (
            entry.subvolume.as_deref(),
            entry.subvolume_id,
            entry.optional
        ),
        (subvolume, subvolume_id, optional)
    );
}

#[test]
fn a_directory_shown_twice() {
    let entry = one("/data/var//lib /var none rw,bind 0 0").unwrap();
    assert_eq!(entry.device, Device::Directory("/data/var/lib".into()));
}

/// RHEL 6 in Amazon's cloud had its root on `xvde`.
#[rstest]
#[case::first("/dev/sda1", [0, 1, 5])]
#[case::second("/dev/sdb1", [1, 0, 5])]
#[case::last("/dev/xvdf1", [1, 2, 0])]
#[case::by_another_name("UUID=1", [0, 1, 5])]
fn disks_are_counted_from_that_of_the_root(#[case] root: &str, #[case] expected: [u32; 3]) {
    let text = format!("/dev/sda2 /a xfs\n/dev/sdb2 /b xfs\n/dev/sdf2 /f xfs\n{root} / xfs\n");
    let disks = parse(&text)
        .unwrap()
        .into_iter()
        .map(|entry| match entry.device {
            Device::Partition { disk, .. } => disk,
            other => panic!("{other:?}"),
        });
    assert_eq!(disks.collect::<Vec<_>>(), expected);
}

#[rstest]
#[case(256, true)]
#[case(257, false)]
fn file_systems_are_counted(#[case] count: usize, #[case] accepted: bool) {
    let text = "UUID=1 /usr xfs\n".repeat(count);
    match parse(&text) {
        Ok(entries) => assert!(accepted && entries.len() == count),
        Err(error) => {
            assert!(!accepted);
            assert_eq!(error.to_string(), "/etc/fstab: more than 256 file systems");
        }
    }
}

proptest! {
    /// No text causes a panic, or a mount point outside the tree.
    #[test]
    fn any_text_is_survived(text in "([ \t\n\"#\\\\=,0-9a-z./é-]|/dev/|UUID=|bind| /x xfs ){0,60}") {
        for entry in parse(&text).unwrap() {
            prop_assert!(entry.at.starts_with('/') && entry.at != "/" && !entry.at.contains("/../"));
        }
    }
}
