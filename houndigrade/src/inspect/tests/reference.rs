//! The original inspector's answers for nine disks, compared with ours field by field. Disks and answers are not part of this
//! repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;
use skip::reference_data;

use super::*;
use crate::source::DiskFile;

const DISKS: [&str; 9] = [
    "centos_release",
    "misc_ntfs",
    "rhel_all",
    "rhel_cert",
    "rhel_dnf",
    "rhel_partitioned",
    "rhel_release",
    "rhel_repo",
    "rhel_rpms",
];

/// A key that is missing.
const NONE: &str = "-";
/// Any value.
const ANY: &str = "*";

/// All differences: disk, path in the JSON (`*`: any disk, any key), their value, our value, why. Every row has its case on
/// some disk, and there is no other difference.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    // Additions to the original.
    ("centos_release", "/images/*/verdict", NONE, r#""not_rhel""#, "an addition"),
    ("misc_ntfs", "/images/*/verdict", NONE, r#""unknown""#, "an addition"),
    ("*", "/images/*/verdict", NONE, r#""rhel""#, "an addition"),
    ("misc_ntfs", "/images/*/readable", NONE, "false", "an addition"),
    ("*", "/images/*/readable", NONE, "true", "an addition"),
    ("*", "/images/*/distribution", NONE, ANY, "an addition"),
    ("*", "/images/*/evidence", NONE, ANY, "an addition"),
    ("*", "/images/*/problems", NONE, ANY, "an addition"),
    ("*", "/images/*/stats", NONE, ANY, "an addition"),
    ("*", "/images/*/drives/*/*/filesystem", NONE, ANY, "an addition"),
    ("*", "/images/*/drives/*/*/mounted_at", NONE, "\"/\"", "an addition"),

    // Other words.
    ("*", "/images/*/drives/*/*/facts/rhel_release_files/release_files", ANY, ANY, "sorted by path; theirs are in the order of the directory"),
    ("*", "/images/*/drives/*/*/facts/rhel_product_certs/rhel_pem_files/0", r#""/mnt/inspect/etc/pki/product/69.pem""#, r#""/etc/pki/product/69.pem""#,
        "a path in the image, like that of a release file; where the original mounted it means nothing to others"),

    // Swap is not a file system that failed to mount.
    ("rhel_partitioned", "/errors", ANY, "[]", "swap needs no reading"),
    ("rhel_partitioned", "/images/*/errors", ANY, "[]", "swap needs no reading"),
    ("rhel_partitioned", "/images/*/drives/*/.dev.loop0p1/error", ANY, NONE, "swap needs no reading; and what mount said was bytes in base64"),
    ("rhel_partitioned", "/images/*/drives/*/.dev.loop0p1/skipped", NONE, r#""swap""#, "says so"),
    ("rhel_partitioned", "/images/*/drives/*/.dev.loop0p1/facts/os_version", NONE, "null", "a partition has the same keys, whatever is on it"),
    ("rhel_partitioned", "/images/*/drives/*/.dev.loop0p1/facts/syspurpose_contents", NONE, "null", "a partition has the same keys, whatever is on it"),

    // NTFS, which the original mounted, looked for Linux and took for no RHEL.
    ("misc_ntfs", "/errors", "[]", r#"["ami-misc_ntfs: /dev/loop0p1: unsupported file system: ntfs"]"#, "what was not read is an error"),
    ("misc_ntfs", "/images/*/errors", "[]", r#"["/dev/loop0p1: unsupported file system: ntfs"]"#, "what was not read is an error"),
    ("misc_ntfs", "/images/*/drives/*/*/error", NONE, r#""unsupported file system: ntfs""#, "what was not read is an error"),
    ("misc_ntfs", "/images/*/drives/*/*/facts/*/rhel_found", "false", NONE, "a check that was not made has no result"),
    ("misc_ntfs", "/images/*/drives/*/*/facts/*/status", ANY, NONE, "a check that was not made has no result"),
    ("misc_ntfs", "/images/*/drives/*/*/facts/rhel_product_certs/rhel_pem_files", "[]", NONE, "a check that was not made has no result"),
    ("misc_ntfs", "/images/*/drives/*/*/facts/rhel_signed_packages/rhel_signed_package_count", "0", NONE, "a check that was not made has no result"),

    // Installed packages.
    ("*", "/images/*/drives/*/*/facts/rhel_signed_packages/status", ANY, r#""RPM DB directory on /dev/loop0p1 has no data""#,
        "the image's name, which is the key of all this, is not repeated"),
    ("rhel_partitioned", "/images/*/drives/*/*/facts/rhel_signed_packages/status", ANY, ANY, "the same for other partitions"),
    ("*", "/images/*/drives/*/*/facts/rhel_signed_packages/package_count", NONE, "1", "an addition"),
    ("*", "/images/*/drives/*/*/facts/rhel_signed_packages/database", NONE, ANY, "an addition"),
];

#[test]
fn answers_differ_from_the_originals_only_on_purpose() {
    let Some(folder) = reference_data("disks") else {
        return;
    };
    let mut unseen: BTreeSet<_> = (0..DIFFERENCES.len()).collect();
    let mut unexpected = Vec::new();
    for name in DISKS {
        let (theirs, ours) = (their_answer(&folder, name), our_answer(&folder, name));
        let mut differences = Vec::new();
        compare("", Some(&theirs), Some(&ours), &mut differences);
        for difference in differences {
            match DIFFERENCES.iter().position(|row| difference.is(name, row)) {
                Some(row) => _ = unseen.remove(&row),
                None => unexpected.push(format!("{name}: {difference:?}")),
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let unseen: Vec<_> = unseen.into_iter().map(|row| DIFFERENCES[row]).collect();
    assert!(unseen.is_empty(), "no longer so: {unseen:#?}");
}

fn their_answer(folder: &Path, name: &str) -> Value {
    let answer = fs::read(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn our_answer(folder: &Path, name: &str) -> Value {
    let packed = File::open(folder.join(format!("{name}.img.gz"))).unwrap();
    let mut disk = tempfile::NamedTempFile::new().unwrap();
    io::copy(&mut GzDecoder::new(packed), disk.as_file_mut()).unwrap();
    let source = DiskFile::open(disk.path()).map(|file| Arc::new(file) as _);
    let image = inspect(
        vec![Disk {
            name: "/dev/loop0".into(),
            source,
        }],
        MemoryBudget::default(),
    );
    let images = BTreeMap::from([(format!("ami-{name}"), image)]);
    serde_json::to_value(Report::new("aws", images)).unwrap()
}

/// A value that is not the same in both answers.
#[derive(Debug)]
struct Difference {
    path: String,
    theirs: String,
    ours: String,
}

impl Difference {
    fn is(&self, disk: &str, row: &(&str, &str, &str, &str, &str)) -> bool {
        let &(row_disk, path, theirs, ours, _why) = row;
        let (path, here) = (path.split('/'), self.path.split('/'));
        fits(row_disk, disk)
            && path.clone().count() == here.clone().count()
            && path.zip(here).all(|(row, here)| fits(row, here))
            && fits(theirs, &self.theirs)
            && fits(ours, &self.ours)
    }
}

fn fits(row: &str, here: &str) -> bool {
    row == ANY || row == here
}

/// Lists the differences below `path`. Keys have dots in place of their slashes.
fn compare(path: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let keys: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
            for key in keys {
                let path = format!("{path}/{}", key.replace('/', "."));
                compare(&path, theirs.get(key), ours.get(key), found);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours)))
            if theirs.len() == ours.len() && !same_in_another_order(theirs, ours) =>
        {
            for (i, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                compare(&format!("{path}/{i}"), Some(theirs), Some(ours), found);
            }
        }
        _ if theirs == ours => {}
        _ => {
            let text = |value: Option<&Value>| value.map_or(NONE.into(), Value::to_string);
            found.push(Difference {
                path: path.into(),
                theirs: text(theirs),
                ours: text(ours),
            });
        }
    }
}

fn same_in_another_order(theirs: &[Value], ours: &[Value]) -> bool {
    theirs != ours && theirs.iter().all(|value| ours.contains(value))
}
