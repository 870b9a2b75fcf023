//! A database that SUSE's rpm wrote: that of the container image `bci-base` of SLE 15, which is not part of this repository.

use std::fs;

use skip::reference_data;

use super::*;

/// Parses `libgcc_s1-11.2.1+git610-1.3.9.x86_64 vendor=SUSE LLC <https://www.suse.com/> keyid=70af9e8139db7c82`.
fn package(line: &str) -> (String, BTreeSet<String>) {
    let (name, rest) = line.split_once(' ').unwrap();
    // Behind the name are version and release.
    let name = name.rsplitn(3, '-').nth(2).unwrap();
    let (_, key) = rest.split_once("keyid=").unwrap();
    (name.to_owned(), BTreeSet::from([key.to_owned()]))
}

#[test]
fn a_database_of_suse_has_the_packages_and_signatures_that_rpm_lists() {
    let Some(folder) = reference_data("rpmdb") else {
        return;
    };
    let answer = fs::read_to_string(folder.join("sle15-bci.txt")).unwrap();
    let mut expected: Vec<_> = answer.lines().map(package).collect();
    expected.sort();
    let (found, error) = read(&Made {
        format: DatabaseFormat::Ndb,
        file: fs::read(folder.join("sle15-bci.Packages.db")).unwrap(),
        wal: None,
        answer: None,
    });
    assert_eq!(error, None);
    assert_eq!(found, expected);
}
