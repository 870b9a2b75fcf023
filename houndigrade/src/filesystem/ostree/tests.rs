use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::filesystem::testing::InMemoryFileSystem;

/// Returns the files of a system with two deployments, of which the links of `boot.1` are current.
fn sysroot() -> InMemoryFileSystem {
    InMemoryFileSystem(BTreeMap::from([
        ("/ostree/boot.1", Err("boot.1.1")),
        (
            "/ostree/boot.1.1/rhcos/aaa/0",
            Err("../../../deploy/rhcos/deploy/new.0"),
        ),
        (
            "/ostree/boot.1.1/rhcos/bbb/0",
            Err("../../../deploy/rhcos/deploy/old.0"),
        ),
        ("/ostree/boot.1.1/rhcos/ccc/0", Err("../../../../etc")),
        (
            "/ostree/boot.1.1/rhcos/ddd/0",
            Err("../../../deploy/rhcos/deploy/gone.0"),
        ),
        (
            "/ostree/deploy/rhcos/deploy/new.0/usr/lib/os-release",
            Ok(""),
        ),
        (
            "/ostree/deploy/rhcos/deploy/old.0/usr/lib/os-release",
            Ok(""),
        ),
        ("/etc/passwd", Ok("")),
        ("/boot/loader", Err("loader.1")),
        (
            "/boot/loader.1/entries/ostree-1-rhcos.conf",
            Ok(
                "title old\nversion 1\noptions root=UUID=1 ostree=/ostree/boot.1/rhcos/bbb/0 quiet\n",
            ),
        ),
        (
            "/boot/loader.1/entries/ostree-2-rhcos.conf",
            Ok("title new\nversion 2\noptions root=UUID=1 ostree=/ostree/boot.1/rhcos/aaa/0\n"),
        ),
        (
            "/boot/loader.1/entries/rescue.conf",
            Ok("version 9\noptions root=UUID=1\n"),
        ),
        (
            "/boot/loader.1/entries/readme",
            Ok("version 9\noptions ostree=/nowhere\n"),
        ),
    ]))
}

fn deployment(kernel: &str, commit: &str) -> Deployment {
    Deployment {
        link: format!("/ostree/boot.1/rhcos/{kernel}/0"),
        root: format!("/ostree/deploy/rhcos/deploy/{commit}.0"),
        var: "/ostree/deploy/rhcos/var".into(),
    }
}

fn entry(version: u64, kernel: &str) -> BootEntry {
    BootEntry {
        version,
        link: format!("/ostree/boot.1/rhcos/{kernel}/0"),
    }
}

#[test]
fn links_lead_to_deployments() {
    let fs = sysroot();
    let expected = [deployment("aaa", "new"), deployment("bbb", "old")];
    assert_eq!(deployments(&Root::new(&fs)).unwrap(), expected);
}

#[test]
fn boot_loader_entries_name_links() {
    let fs = sysroot();
    let entries = boot_entries(&Root::new(&fs), "/boot/loader/entries").unwrap();
    assert_eq!(entries, [entry(1, "bbb"), entry(2, "aaa")]);
}

#[test]
fn without_ostree_there_is_no_deployment() {
    let fs = InMemoryFileSystem(BTreeMap::from([("/etc/passwd", Ok(""))]));
    assert_eq!(deployments(&Root::new(&fs)).unwrap(), []);
}

#[rstest]
#[case::default(&[entry(1, "bbb"), entry(2, "aaa")], "aaa")]
#[case::default_of_ten(&[entry(9, "aaa"), entry(10, "bbb")], "bbb")]
#[case::entry_of_another_system(&[entry(1, "bbb"), entry(2, "zzz")], "bbb")]
#[case::no_entries(&[], "aaa")]
fn the_default_entry_boots(#[case] entries: &[BootEntry], #[case] kernel: &str) {
    let deployments = [deployment("aaa", "new"), deployment("bbb", "old")];
    let link = &booted(&deployments, entries).unwrap().link;
    assert_eq!(*link, format!("/ostree/boot.1/rhcos/{kernel}/0"));
}
