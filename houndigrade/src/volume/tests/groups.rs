use rstest::rstest;

use super::reference::Reference;
use super::tools::Tools;
use super::*;
use crate::facts;
use crate::filesystem::{self, Content, Root};
use crate::test_disks::{MIB, rhel};

const CREATE: &str = "lvcreate -an -Zn -Wn -y";

#[test]
fn every_layout_is_read_where_the_tools_say() {
    let Some(tools) = Tools::new(&[24, 16, 16]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate --metadatacopies 2 @0",
        "pvcreate --bootloaderareasize 1m @1",
        "pvcreate --metadatacopies 0 --dataalignment 3m @2",
        "vgcreate -s 256k my-vg @0 @1 @2",
        &format!("{CREATE} -n plain -l 10 my-vg @0"),
        &format!("{CREATE} -n grown -l 5 my-vg @1"),
        &format!("{CREATE} -n between -l 3 my-vg @1"),
        "lvextend -l +8 my-vg/grown @1",
        "lvextend -l +4 my-vg/grown @0",
        "lvextend -l +2 my-vg/grown @2",
        &format!("{CREATE} -n striped -i 3 -I 64k -l 9 my-vg"),
        "lvextend -i 2 -I 16k -l +4 my-vg/striped @0 @1",
        &format!("{CREATE} --type raid0 -i 2 -I 32k -n raid0 -l 4 my-vg"),
        &format!("{CREATE} -n mirror -l 6 my-vg"),
        "lvconvert -y -m 1 --type mirror my-vg/mirror",
    ]);
    let reference = Reference::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    assert_eq!(assembled.problems, [] as [String; 0]);
    let expected = ["between", "grown", "mirror", "plain", "raid0", "striped"];
    assert_eq!(
        names(&assembled),
        expected.map(|name| format!("/dev/my-vg/{name}"))
    );
    for name in expected {
        reference.assert_same(&assembled, "my-vg", name);
    }
    assert_eq!(volume(&assembled, "/dev/my-vg/plain").members, ["disk0"]);
    assert_eq!(
        volume(&assembled, "/dev/my-vg/grown").members,
        ["disk0", "disk1", "disk2"]
    );
}

#[test]
fn a_file_system_is_read_across_segments() {
    let Some(tools) = Tools::new(&[16, 16]) else {
        return;
    };
    let large: Vec<u8> = (0..3_000_000u32)
        .flat_map(u32::to_le_bytes)
        .take(9 * MIB)
        .collect();
    let Some(image) = rhel()
        .file("/usr/share/large", &large)
        .file_system("ext4", 16 * MIB)
    else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n root -l 9 vg @1"),
        "lvextend -l +7 vg/root @0",
    ]);
    Reference::new(&tools).write(&tools, "root", &image);
    let assembled = assemble(tools.members());
    let source = open(&assembled, "/dev/vg/root");
    let content = Content::probe(&**source).unwrap();
    let fs = filesystem::open(content, Arc::clone(source)).unwrap();
    let root = Root::new(&*fs);
    assert!(root.head("/usr/share/large", 10 * MIB).unwrap().unwrap() == large);
    assert!(!facts::gather(&root, "/dev/vg/root").evidence.is_empty());
}

/// The ring of texts wraps after some dozen changes; at every one, the text in force is found.
#[test]
fn the_newest_text_of_a_ring_that_wraps_is_read() {
    let Some(tools) = Tools::new(&[8]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate --metadatasize 64k --dataalignment 64k @0",
        "vgcreate -s 64k vg0 @0",
        &format!("{CREATE} -n root -l 2 vg0"),
    ]);
    // A text of several sectors can reach over the end.
    for number in 0..12 {
        tools.lvm(&format!("{CREATE} -n more{number} -l 1 vg0"));
    }
    let mut wrapped = false;
    for number in 0..40 {
        tools.lvm(&format!("vgrename vg{number} vg{}", number + 1));
        let assembled = assemble(tools.members());
        assert_eq!(assembled.problems, [] as [String; 0]);
        open(&assembled, &format!("/dev/vg{}/root", number + 1));
        wrapped |= text_wraps(&tools);
    }
    assert!(wrapped);
}

/// Whether the text in force reaches the end of the area of disk 0 and goes on at its beginning.
fn text_wraps(tools: &Tools) -> bool {
    let [size, offset, length] = [32, 40, 48].map(|at| header_field(tools, at));
    offset + length > size
}

/// A field of the first metadata area's header on disk 0.
fn header_field(tools: &Tools, at: usize) -> u64 {
    let disk = std::fs::read(tools.file(0)).unwrap();
    crate::bytes::le64(&disk, 4096 + at).unwrap()
}

#[test]
fn disks_of_large_sectors_are_read() {
    let Some(tools) = Tools::with_sectors(&[16, 16], 4096) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 512k vg @0 @1",
        &format!("{CREATE} -n root -i 2 -I 64k -l 8 vg"),
    ]);
    let reference = Reference::new(&tools);
    reference.paint(&tools);
    reference.assert_same(&assemble(tools.members()), "vg", "root");
}

#[test]
fn moved_extents_are_found() {
    let Some(tools) = Tools::new(&[16, 16]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n root -l 6 vg @0:7-9 @0:0-2"),
        &format!("{CREATE} -n home -l 4 vg @1:8-9 @0:4-5 --alloc anywhere"),
        "pvchange -xn @1",
        "lvextend -l +2 vg/root",
    ]);
    let reference = Reference::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    reference.assert_same(&assembled, "vg", "root");
    reference.assert_same(&assembled, "vg", "home");
}

/// Types that only a running device-mapper makes: a tool made the parts, and takes the text that says what they are for.
fn rewrite(tools: &Tools, group: &str, change: impl Fn(String) -> String) {
    let file = tools.file(0).with_file_name("text");
    tools.lvm(&format!("vgcfgbackup -f %/text {group}"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();
    tools.lvm(&format!("vgcfgrestore --force -f %/text {group}"));
}

/// The text with a volume of one segment of two extents put before the others.
fn with_volume(text: &str, name: &str, segment: &str) -> String {
    let volume = format!(
        "logical_volumes {{
            {name} {{
                id = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-{name:a<6.6}\"
                status = [\"READ\", \"WRITE\", \"VISIBLE\"]
                flags = []
                creation_time = 1
                creation_host = \"host\"
                segment_count = 1
                segment1 {{ start_extent = 0 extent_count = 2 {segment} }}
            }}"
    );
    text.replacen("logical_volumes {", &volume, 1)
}

/// Hides the volume called `from`, and calls it `to`.
fn as_part(text: &str, from: &str, to: &str) -> String {
    let (before, volume) = text.split_once(&format!("\t{from} {{")).unwrap();
    let volume = volume.replacen("\"WRITE\", \"VISIBLE\"", "\"WRITE\"", 1);
    format!("{before}\t{to} {{{volume}")
}

/// A superblock of the kernel's RAID.
fn superblock(position: u32, events: u64, failed: u64, rebuilt: u64) -> Vec<u8> {
    let numbers = [0x6452_6d44, 0, 2, position].map(u32::to_le_bytes).concat();
    let more = [events, failed, rebuilt, u64::MAX]
        .map(u64::to_le_bytes)
        .concat();
    [numbers, more].concat()
}

const DONE: u64 = u64::MAX;

/// Superblocks of two legs, and the leg to read.
#[rstest]
#[case::never_started(None, None, Some(0))]
#[case::both_complete(Some((9, 0, DONE)), Some((9, 0, DONE)), Some(0))]
#[case::one_event_behind(Some((8, 0, DONE)), Some((9, 0, DONE)), Some(0))]
#[case::first_is_stale(Some((5, 0, DONE)), Some((9, 0, DONE)), Some(1))]
#[case::first_has_failed(Some((9, 0, DONE)), Some((9, 1, DONE)), Some(1))]
#[case::first_is_being_rebuilt(Some((9, 0, 4096)), Some((9, 0, DONE)), Some(1))]
#[case::first_is_new(None, Some((9, 0, DONE)), Some(1))]
#[case::none_is_complete(Some((9, 0, 4096)), Some((9, 0, 4096)), None)]
fn the_leg_of_a_raid_1_that_is_in_sync_is_read(
    #[case] first: Option<(u64, u64, u64)>,
    #[case] second: Option<(u64, u64, u64)>,
    #[case] expected: Option<u8>,
) {
    let Some(tools) = raid1() else {
        return;
    };
    // Each physical volume holds an extent of state and two of data, from its second MiB on.
    for (disk, superblock_of) in [(0, first), (1, second)] {
        if let Some((events, failed, rebuilt)) = superblock_of {
            tools.write(
                disk,
                MIB as u64,
                &superblock(disk as u32, events, failed, rebuilt),
            );
        }
        tools.write(disk, 2 * MIB as u64, &[disk as u8; 16]);
    }
    let assembled = assemble(tools.members());
    match expected {
        Some(leg) => {
            let mut bytes = [9; 16];
            open(&assembled, "/dev/vg/root")
                .read_at(0, &mut bytes)
                .unwrap();
            assert_eq!(bytes, [leg; 16]);
        }
        None => assert!(error(&assembled, "/dev/vg/root").contains("no copy of a RAID 1")),
    }
    assert_eq!(names(&assembled), ["/dev/vg/root"]);
    assert_eq!(
        volume(&assembled, "/dev/vg/root").members,
        ["disk0", "disk1"]
    );
}

#[test]
fn a_raid_1_is_read_without_one_of_its_disks() {
    let Some(tools) = raid1() else {
        return;
    };
    for absent in 0..2 {
        let mut members = tools.members();
        members.remove(absent);
        let assembled = assemble(members);
        open(&assembled, "/dev/vg/root");
        assert_eq!(assembled.problems, [] as [String; 0]);
    }
}

/// A RAID 1 on two disks, called `root`.
fn raid1() -> Option<Tools> {
    let tools = Tools::new(&[8, 8])?;
    tools.lvms(&["pvcreate @0 @1", "vgcreate -s 1m vg @0 @1"]);
    for disk in 0..2 {
        tools.lvm(&format!("{CREATE} -n meta{disk} -l 1 vg @{disk}"));
        tools.lvm(&format!("{CREATE} -n image{disk} -l 2 vg @{disk}"));
    }
    rewrite(&tools, "vg", |text| {
        let text = as_part(&text, "meta0", "root_rmeta_0");
        let text = as_part(&text, "meta1", "root_rmeta_1");
        let text = as_part(&text, "image0", "root_rimage_0");
        let text = as_part(&text, "image1", "root_rimage_1");
        let segment = "type = \"raid1\" device_count = 2 region_size = 1024
            raids = [\"root_rmeta_0\", \"root_rimage_0\", \"root_rmeta_1\", \"root_rimage_1\"]";
        with_volume(&text, "root", segment)
    });
    Some(tools)
}

#[rstest]
#[case::kept("cow_store", ["/dev/vg/root", "/dev/vg/snap"], "/dev/vg/snap")]
#[case::to_be_merged("merging_store", ["/dev/vg/other", "/dev/vg/root"], "/dev/vg/root")]
fn a_snapshot_is_not_taken_for_a_volume(
    #[case] store: &str,
    #[case] expected: [&str; 2],
    #[case] unreadable: &str,
) {
    let other = if store == "merging_store" {
        "other"
    } else {
        "snap"
    };
    let Some(tools) = one_disk(&["root", other]) else {
        return;
    };
    if other != "snap" {
        tools.lvm(&format!("{CREATE} -n snap -l 2 vg"));
    }
    rewrite(&tools, "vg", |text| {
        let segment =
            format!("type = \"snapshot\" chunk_size = 8 origin = \"root\" {store} = \"snap\"");
        with_volume(&text, "snapshot0", &segment)
    });
    let assembled = assemble(tools.members());
    assert_eq!(names(&assembled), expected);
    for name in expected {
        if name == unreadable {
            assert_eq!(
                error(&assembled, name),
                "unsupported LVM2 segments: snapshot"
            );
        } else {
            open(&assembled, name);
        }
    }
}

/// A volume in the middle of `pvmove`.
#[test]
fn a_volume_that_is_being_moved_is_read() {
    let Some(tools) = Tools::new(&[8, 8]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n root -l 4 vg @0"),
    ]);
    tools.lvm("pvmove --background --atomic @0 @1");
    let text = tools.lvm("lvs -a --noheadings -o lv_name");
    assert!(text.contains("[pvmove0]"), "{text}");
    let reference = Reference::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    assert_eq!(names(&assembled), ["/dev/vg/root"]);
    reference.assert_same(&assembled, "vg", "root");
}

/// A disk with the volumes `names` of two extents each.
fn one_disk(names: &[&str]) -> Option<Tools> {
    let tools = Tools::new(&[16])?;
    tools.lvms(&["pvcreate @0", "vgcreate -s 1m vg @0"]);
    for name in names {
        tools.lvm(&format!("{CREATE} -n {name} -l 2 vg"));
    }
    Some(tools)
}

#[test]
fn a_missing_disk_takes_only_its_own_volumes_along() {
    let Some(tools) = Tools::new(&[8, 8]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n here -l 2 vg @0"),
        &format!("{CREATE} -n there -l 2 vg @1"),
        &format!("{CREATE} -n both -i 2 -I 64k -l 2 vg"),
    ]);
    let id = tools.lvm("pvs --noheadings -o pv_uuid @1");
    let mut members = tools.members();
    members.remove(1);
    let assembled = assemble(members);
    assert_eq!(assembled.problems, [] as [String; 0]);
    open(&assembled, "/dev/vg/here");
    for name in ["/dev/vg/there", "/dev/vg/both"] {
        let expected = Error::Missing {
            id: id.trim().into(),
            device: tools.device(1).into(),
        };
        assert_eq!(
            volume(&assembled, name).source.as_ref().err(),
            Some(&expected)
        );
    }
    assert_eq!(volume(&assembled, "/dev/vg/both").members, ["disk0"]);
}

/// What the tools refuse to use without being told to, a snapshot of a disk may well hold.
#[rstest]
#[case::exported("vgexport vg")]
#[case::of_another_machine("vgchange -y --systemid other vg")]
fn groups_of_elsewhere_are_read(#[case] command: &str) {
    let Some(tools) = one_disk(&["root"]) else {
        return;
    };
    tools.lvm(command);
    let assembled = assemble(tools.members());
    open(&assembled, "/dev/vg/root");
}

#[test]
fn two_groups_of_the_same_name_go_by_their_uuids() {
    let (Some(one), Some(two)) = (one_disk(&["root"]), one_disk(&["root"])) else {
        return;
    };
    let mut expected = [&one, &two].map(|tools| {
        let id = tools.lvm("vgs --noheadings -o vg_uuid");
        format!("/dev/{}/root", id.trim())
    });
    expected.sort();
    let members = one.members().into_iter().chain(two.members()).collect();
    assert_eq!(names(&assemble(members)), expected);
}

#[test]
fn a_copy_of_a_disk_is_told_and_not_read() {
    let Some(tools) = one_disk(&["root"]) else {
        return;
    };
    let mut members = tools.members();
    members.extend(tools.members());
    members[1].name = "copy".into();
    let assembled = assemble(members);
    assert_eq!(names(&assembled), ["/dev/vg/root"]);
    let [problem] = assembled.problems.as_slice() else {
        panic!("{:?}", assembled.problems)
    };
    assert!(
        problem.starts_with("copy: it is the same physical volume as disk0: "),
        "{problem}"
    );
}

#[rstest]
#[case::header(false, false)]
#[case::text(true, false)]
#[case::header_with_another_copy(false, true)]
#[case::text_with_another_copy(true, true)]
fn another_copy_is_read_where_one_is_damaged(#[case] in_the_text: bool, #[case] copy: bool) {
    let Some(tools) = Tools::new(&[8]) else {
        return;
    };
    let copies = if copy { 2 } else { 1 };
    tools.lvms(&[
        &format!("pvcreate --metadatacopies {copies} @0"),
        "vgcreate -s 1m vg @0",
        &format!("{CREATE} -n root -l 2 vg"),
    ]);
    let text = header_field(&tools, 40);
    tools.write(0, 4096 + if in_the_text { text + 20 } else { 100 }, b"\xff");
    let assembled = assemble(tools.members());
    if copy {
        assert_eq!(names(&assembled), ["/dev/vg/root"]);
        assert_eq!(assembled.problems, [] as [String; 0]);
    } else {
        assert_eq!(names(&assembled), [] as [&str; 0]);
        let [problem] = assembled.problems.as_slice() else {
            panic!("{:?}", assembled.problems)
        };
        assert!(
            problem.starts_with("disk0: metadata area at byte 4096: "),
            "{problem}"
        );
    }
}

/// A physical volume without a copy of the metadata is nothing by itself, and that is no reason to call an image clean.
#[test]
fn a_volume_of_an_unknown_group_is_a_problem() {
    let Some(tools) = Tools::new(&[8, 8, 8]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @2",
        "pvcreate --metadatacopies 0 @1",
        "vgcreate -s 1m vg @0 @1",
    ]);
    let [_, used, empty] = <[Member; 3]>::try_from(tools.members()).ok().unwrap();
    let assembled = assemble(vec![used, empty]);
    let expected = "disk1: it belongs to a volume group whose metadata lie on other disks";
    assert_eq!(assembled.problems, [expected]);
}
