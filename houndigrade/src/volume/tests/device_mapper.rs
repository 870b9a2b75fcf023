//! Layouts that only a running device-mapper makes or uses: mirrors that lose a leg, snapshots, moves.

use rstest::rstest;

use super::reference::LvsReport;
use super::tools::{CREATE, Tools};
use super::*;
use crate::test_disks::MIB;

/// Makes types that take a running device-mapper: a tool makes the parts, and restores a text that assembles them.
fn rewrite(tools: &Tools, group: &str, change: impl Fn(String) -> String) {
    let file = tools.file(0).with_file_name("text");
    tools.lvm(&format!("vgcfgbackup -f %/text {group}"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();
    tools.lvm(&format!("vgcfgrestore --force -f %/text {group}"));
}

/// Returns the text with a volume of one segment of two extents put before the others.
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

/// Makes a superblock of the kernel's RAID.
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
        assert_eq!(assembled.problems, []);
    }
}

/// Makes a RAID 1 on two disks, called `root`.
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
    let Some(tools) = Tools::one_disk(&["root", other]) else {
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
            // The report has a place for it: the disk that it is on.
            let found = assembled.volumes.iter().find(|volume| volume.name == name);
            assert_eq!(found.unwrap().members, ["disk0"]);
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
    let reference = LvsReport::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    assert_eq!(names(&assembled), ["/dev/vg/root"]);
    reference.assert_same(&assembled, "vg", "root");
}
