//! Disks that are missing, damaged, copied or from elsewhere.

use rstest::rstest;

use super::tools::{CREATE, Tools};
use super::*;
use crate::test_disks::texts;

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
    assert_eq!(assembled.problems, []);
    open(&assembled, "/dev/vg/here");
    for name in ["/dev/vg/there", "/dev/vg/both"] {
        let expected = VolumeError::Missing {
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

/// Groups that the tools refuse to use without a flag occur in snapshots of disks.
#[rstest]
#[case::exported("vgexport vg")]
#[case::of_another_machine("vgchange -y --systemid other vg")]
fn groups_of_elsewhere_are_read(#[case] command: &str) {
    let Some(tools) = Tools::one_disk(&["root"]) else {
        return;
    };
    tools.lvm(command);
    let assembled = assemble(tools.members());
    open(&assembled, "/dev/vg/root");
}

#[test]
fn two_groups_of_the_same_name_go_by_their_uuids() {
    let (Some(one), Some(two)) = (Tools::one_disk(&["root"]), Tools::one_disk(&["root"])) else {
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
    let Some(tools) = Tools::one_disk(&["root"]) else {
        return;
    };
    let mut members = tools.members();
    members.extend(tools.members());
    members[1].name = "copy".into();
    let assembled = assemble(members);
    assert_eq!(names(&assembled), ["/dev/vg/root"]);
    let [problem] = &texts(&assembled.problems)[..] else {
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
    let text = tools.header_field(40);
    tools.write(0, 4096 + if in_the_text { text + 20 } else { 100 }, b"\xff");
    let assembled = assemble(tools.members());
    if copy {
        assert_eq!(names(&assembled), ["/dev/vg/root"]);
        assert_eq!(assembled.problems, []);
    } else {
        assert_eq!(names(&assembled), [] as [&str; 0]);
        let [problem] = &texts(&assembled.problems)[..] else {
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
    assert_eq!(texts(&assembled.problems), [expected]);
}

/// A disk that was away while the group changed.
#[rstest]
#[case(0)]
#[case(1)]
fn the_newest_copy_counts(#[case] stale: usize) {
    let Some(tools) = Tools::new(&[8, 8]) else {
        return;
    };
    tools.lvms(&[
        "pvcreate @0 @1",
        "vgcreate -s 1m vg @0 @1",
        &format!("{CREATE} -n before -l 2 vg"),
    ]);
    let then = std::fs::read(tools.file(stale)).unwrap();
    tools.lvm("lvrename vg/before vg/after");
    tools.write(stale, 0, &then);
    assert_eq!(names(&assemble(tools.members())), ["/dev/vg/after"]);
}
