use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::filesystem::MemoryBudget;
use crate::filesystem::{Content, open};
use crate::rpm::tests::databases::{AllMade, made};
use crate::test_disks::{MIB, MemoryDisk, Tree, texts};

/// Returns the findings on a disk with this tree.
fn findings(tree: &Tree) -> Option<Findings> {
    let disk = Arc::new(MemoryDisk(tree.file_system("ext4", 24 * MIB)?));
    let content = Content::probe(&*disk).unwrap();
    let fs = open(content, disk, &MemoryBudget::default()).unwrap();
    let mut findings = Findings::default();
    check(&Root::new(&*fs), "disk1", &mut findings);
    Some(findings)
}

fn fact(findings: &Findings) -> Value {
    serde_json::to_value(&findings.facts.rhel_signed_packages).unwrap()
}

/// Makes a database whose RSA signatures name a key of Red Hat's.
fn by_red_hat(made: &AllMade, name: &str) -> Vec<u8> {
    let id = u64::from_str_radix(&made.rsa, 16).unwrap().to_be_bytes();
    let mut file = made.databases[name].file.clone();
    let at = |file: &[u8], from: usize| {
        let found = file[from..].windows(8).position(|bytes| bytes == id);
        found.map(|at| from + at)
    };
    let mut from = 0;
    while let Some(found) = at(&file, from) {
        file[found..found + 8].copy_from_slice(&RED_HAT[2].0);
        from = found + 8;
    }
    file
}

#[test]
fn packages_signed_by_red_hat_are_evidence() {
    let Some(made) = made() else { return };
    // Fedora's layout.
    let tree = Tree::new()
        .file(
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            by_red_hat(made, "sqlite"),
        )
        .link("/var/lib/rpm", "../../usr/lib/sysimage/rpm");
    let Some(found) = findings(&tree) else { return };
    let database = json!({ "path": "/var/lib/rpm/rpmdb.sqlite", "format": "sqlite" });
    let expected = json!({
        "rhel_found": true, "rhel_signed_package_count": 1, "package_count": 4, "database": database,
    });
    assert_eq!(fact(&found), expected);
    let evidence = Evidence {
        fact: "rhel_signed_packages".into(),
        path: "/var/lib/rpm/rpmdb.sqlite".into(),
        detail: "1 of 4 packages are signed by Red Hat, for example rsa-000000".into(),
    };
    assert_eq!((found.evidence, found.problems), (vec![evidence], vec![]));
}

#[test]
fn packages_of_others_are_no_evidence() {
    let Some(made) = made() else { return };
    let file = &made.databases["ndb-many"].file;
    let tree = Tree::new().file("/usr/lib/sysimage/rpm/Packages.db", file);
    let Some(found) = findings(&tree) else { return };
    let packages = made.databases["sqlite-many"].answer.as_ref().unwrap().len();
    let database = json!({ "path": "/usr/lib/sysimage/rpm/Packages.db", "format": "ndb" });
    let expected = json!({
        "rhel_found": false, "rhel_signed_package_count": 0, "package_count": packages, "database": database,
    });
    assert_eq!(fact(&found), expected);
    assert_eq!((found.evidence, found.problems), (vec![], vec![]));
}

/// The same choice as rpm's, but for empty files.
#[test]
fn of_several_databases_the_first_that_is_not_empty_counts() {
    let Some(made) = made() else { return };
    let tree = Tree::new()
        .file("/var/lib/rpm/rpmdb.sqlite", "")
        .file(
            "/var/lib/rpm/Packages",
            &made.databases["berkeley-many"].file,
        )
        .file(
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            by_red_hat(made, "sqlite"),
        );
    let Some(found) = findings(&tree) else { return };
    assert_eq!(fact(&found)["database"]["path"], "/var/lib/rpm/Packages");
    assert_eq!(fact(&found)["rhel_found"], false);
}

#[test]
fn the_write_ahead_log_counts() {
    let Some(made) = made() else { return };
    let database = &made.databases["sqlite-wal"];
    let tree = Tree::new()
        .file("/var/lib/rpm/rpmdb.sqlite", &database.file)
        .file(
            "/var/lib/rpm/rpmdb.sqlite-wal",
            database.wal.as_ref().unwrap(),
        );
    let Some(found) = findings(&tree) else { return };
    assert_eq!(
        fact(&found)["package_count"],
        database.answer.as_ref().unwrap().len()
    );
    assert_eq!(found.problems, []);
}

#[test]
fn damage_is_an_error_and_what_was_counted_stays_evidence() {
    let Some(made) = made() else { return };
    let mut file = by_red_hat(made, "sqlite-many");
    let end = file.len() / 4096 * 2048;
    file[end..].fill(0);
    let Some(found) = findings(&Tree::new().file("/var/lib/rpm/rpmdb.sqlite", file)) else {
        return;
    };
    let fact = fact(&found);
    assert_eq!(fact["rhel_found"], true);
    assert!(
        fact["rhel_signed_package_count"].as_u64() > Some(1),
        "{fact}"
    );
    let error = fact["error"].as_str().unwrap();
    assert!(
        error.starts_with("reading /var/lib/rpm/rpmdb.sqlite: it is damaged: "),
        "{error}"
    );
    assert_eq!(texts(&found.problems), [error]);
    assert_eq!(found.evidence.len(), 1);
}

#[test]
fn what_can_not_be_read_is_not_clean() {
    let Some(made) = made() else { return };
    let sound = &made.databases["sqlite"].file;
    let trees = [
        Tree::new().file("/var/lib/rpm/Packages", "not a database"),
        Tree::new().file("/var/lib/rpm/rpmdb.sqlite", &sound[..sound.len() / 2]),
        Tree::new().file("/var/lib/rpm/rpmdb.sqlite", sound).file(
            "/var/lib/rpm/rpmdb.sqlite-journal",
            [ROLLBACK, &[0; 504]].concat(),
        ),
    ];
    for tree in trees {
        let Some(found) = findings(&tree) else { return };
        let fact = fact(&found);
        assert_eq!(fact.get("rhel_found"), None, "{fact}");
        assert_eq!(found.problems.len(), 1, "{fact}");
    }
}
