//! Layouts that the tools make, and where they say the bytes lie.

use super::reference::LvsReport;
use super::tools::{CREATE, Tools};
use super::*;
use crate::facts;
use crate::filesystem::MemoryBudget;
use crate::filesystem::{self, Content, Root};
use crate::partition;
use crate::source::SourceWindow;
use crate::test_disks::{MIB, MemoryDisk, partitioned, place, rhel};

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
    let reference = LvsReport::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    assert_eq!(assembled.problems, []);
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
    LvsReport::new(&tools).write(&tools, "root", &image);
    let assembled = assemble(tools.members());
    let source = open(&assembled, "/dev/vg/root");
    let content = Content::probe(&**source).unwrap();
    let fs = filesystem::open(content, Arc::clone(source), &MemoryBudget::default()).unwrap();
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
    let mut changes = 0;
    let mut changes_since_it_wrapped = 0;
    while changes_since_it_wrapped < 3 {
        assert!(changes < 60, "the text does not wrap");
        tools.lvm(&format!("vgrename vg{changes} vg{}", changes + 1));
        changes += 1;
        let assembled = assemble(tools.members());
        assert_eq!(assembled.problems, []);
        open(&assembled, &format!("/dev/vg{changes}/root"));
        if text_wraps(&tools) || changes_since_it_wrapped > 0 {
            changes_since_it_wrapped += 1;
        }
    }
}

/// Returns whether the current text reaches the end of the area of disk 0 and goes on at its beginning.
fn text_wraps(tools: &Tools) -> bool {
    let [size, offset, length] = [32, 40, 48].map(|at| tools.header_field(at));
    offset + length > size
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
    let reference = LvsReport::new(&tools);
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
    let reference = LvsReport::new(&tools);
    reference.paint(&tools);
    let assembled = assemble(tools.members());
    reference.assert_same(&assembled, "vg", "root");
    reference.assert_same(&assembled, "vg", "home");
}

#[test]
fn two_partitions_of_a_disk_make_a_group() {
    let Some(tools) = Tools::new(&[8, 8]) else {
        return;
    };
    let script = "label: gpt\nstart=1MiB, size=8MiB, type=lvm\nstart=9MiB, size=8MiB, type=lvm\n";
    let Some(mut disk) = partitioned(18 * MIB, script) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n root -l 5 vg @1"),
        "lvextend -l +5 vg/root @0",
    ]);
    let reference = LvsReport::new(&tools);
    reference.paint(&tools);
    for (number, start) in [(0, MIB), (1, 9 * MIB)] {
        place(
            &mut disk,
            start,
            &std::fs::read(tools.file(number)).unwrap(),
        );
    }
    let disk: Arc<dyn BlockSource> = Arc::new(MemoryDisk(disk));
    let partitions = partition::read(&*disk).unwrap().partitions.into_iter();
    let members = partitions.map(|part| {
        let source = Arc::new(SourceWindow::new(Arc::clone(&disk), part.start, part.size));
        assert_eq!(Content::probe(&*source).unwrap().name(), Some("lvm2"));
        Member {
            name: format!("/dev/sda{}", part.number.unwrap()),
            source,
        }
    });
    let assembled = assemble(members.collect());
    reference.assert_same(&assembled, "vg", "root");
    assert_eq!(
        volume(&assembled, "/dev/vg/root").members,
        ["/dev/sda1", "/dev/sda2"]
    );
}
