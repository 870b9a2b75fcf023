use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::source::Deadline;
use crate::test_disks::{
    MIB, MemoryDisk, Tree, debian, partitioned, place, random_cases, rhel, texts,
};
use houndigrade_report::{ProblemCode, Report, Verdict};

mod machines;
mod reference;
mod systems;

fn inspect_bytes(disk: Vec<u8>) -> InspectedImage {
    inspect(
        vec![Disk {
            name: "/dev/sda".into(),
            source: Ok(Arc::new(MemoryDisk(disk))),
        }],
        MemoryBudget::default(),
    )
}

fn codes(image: &InspectedImage) -> Vec<ProblemCode> {
    image.problems.iter().map(|problem| problem.code).collect()
}

fn luks() -> Vec<u8> {
    let mut disk = vec![0; MIB];
    place(&mut disk, 0, b"LUKS\xba\xbe");
    disk
}

/// Makes a disk as clouds have it: boot partitions, swap, root, and a root of the wrong kind.
fn cloud_disk(root: &Tree) -> Option<Vec<u8>> {
    let script = "label: gpt\n1MiB,1MiB,21686148-6449-6E6F-744E-656564454649\n2MiB,1MiB,S\n3MiB,4MiB,L\n7MiB,2MiB,L\n";
    let mut disk = partitioned(10 * MIB, script)?;
    place(&mut disk, 3 * MIB, &root.file_system("ext4", 4 * MIB)?);
    Some(disk)
}

/// The whole JSON, as documented in `report.rs`.
#[test]
fn the_report() {
    let root = rhel().file("/etc/pki/product/69.pem", "").file(
        "/etc/rhsm/syspurpose/syspurpose.json",
        r#"{"role": "Server"}"#,
    );
    let Some(mut disk) = cloud_disk(&root) else {
        return;
    };
    place(&mut disk, 7 * MIB + 3, b"NTFS    ");
    let mut image = inspect_bytes(disk);
    image.stats = Default::default();
    insta::assert_json_snapshot!(Report::new("aws", [("ami-1".to_owned(), image)].into()));
}

#[test]
fn debian_is_not_rhel() {
    let Some(disk) = cloud_disk(&debian()) else {
        return;
    };
    let image = inspect_bytes(disk);
    assert_eq!(
        (image.verdict, image.readable, &*image.errors),
        (Verdict::NotRhel, true, &[][..])
    );
    assert_eq!(image.distribution.unwrap().id, "debian");
}

#[test]
fn what_was_not_read_may_be_rhel() {
    let Some(mut disk) = cloud_disk(&debian()) else {
        return;
    };
    place(&mut disk, 7 * MIB, b"hsqs");
    let image = inspect_bytes(disk);
    assert_eq!((image.verdict, image.readable), (Verdict::Unknown, true));
    assert_eq!(
        image.errors,
        ["/dev/sda4: unsupported file system: squashfs"]
    );
    assert_eq!(codes(&image), [ProblemCode::UnsupportedFileSystem]);
}

#[test]
fn a_file_system_needs_no_partition_table() {
    let Some(disk) = rhel().file_system("ext3", 4 * MIB) else {
        return;
    };
    let image = inspect_bytes(disk);
    assert_eq!(image.verdict, Verdict::Rhel);
    assert_eq!(
        image.drives["/dev/sda"]["/dev/sda"].filesystem.as_deref(),
        Some("ext3")
    );
}

#[test]
fn several_disks_make_one_image() {
    let (Some(root), Some(data)) = (
        debian().file_system("ext4", 4 * MIB),
        rhel().file_system("ext4", 4 * MIB),
    ) else {
        return;
    };
    let disk = |name: &str, bytes| Disk {
        name: name.into(),
        source: Ok(Arc::new(MemoryDisk(bytes)) as _),
    };
    let image = inspect(
        vec![
            disk("a", root),
            disk("b", data),
            Disk {
                name: "c".into(),
                source: Err(io::Error::other("gone")),
            },
        ],
        MemoryBudget::default(),
    );
    assert_eq!(image.verdict, Verdict::Rhel);
    assert_eq!(codes(&image), [ProblemCode::Unreadable]);
    assert_eq!(image.distribution.unwrap().id, "debian");
    assert_eq!(image.rhel_version.as_deref(), Some("9.4"));
    assert_eq!(image.errors, ["c: gone"]);
}

#[rstest]
#[case::nothing(vec![], "/dev/sda: it is empty", ProblemCode::Damaged)]
#[case::zeros(vec![0; MIB], "no Linux distribution was found", ProblemCode::NoDistribution)]
#[case::noise(vec![0x5a; MIB], "/dev/sda: no known file system", ProblemCode::Unrecognised)]
#[case::luks(
    luks(),
    "/dev/sda: unsupported file system: luks",
    ProblemCode::Encrypted
)]
fn a_disk_without_a_linux_is_not_known(
    #[case] disk: Vec<u8>,
    #[case] error: &str,
    #[case] code: ProblemCode,
) {
    let image = inspect_bytes(disk);
    assert_eq!((image.verdict, image.rhel_found), (Verdict::Unknown, false));
    assert_eq!(image.errors, [error]);
    assert_eq!(texts(&image.problems), [error]);
    assert_eq!(codes(&image), [code]);
}

#[test]
fn partitions_beyond_the_end_are_errors_and_the_rest_is_read() {
    let Some(mut disk) = cloud_disk(&rhel()) else {
        return;
    };
    disk.truncate(7 * MIB);
    let image = inspect_bytes(disk);
    assert_eq!(image.verdict, Verdict::Rhel);
    assert_eq!(
        image.errors,
        ["/dev/sda4: it begins at byte 7340032, but the disk ends at 7340032"]
    );
}

#[test]
fn the_deadline_ends_an_inspection() {
    let Some(disk) = cloud_disk(&rhel()) else {
        return;
    };
    let over = Instant::now() - Duration::from_secs(1);
    let source = Arc::new(Deadline::new(Arc::new(MemoryDisk(disk)), over));
    let image = inspect(
        vec![Disk {
            name: "a".into(),
            source: Ok(source),
        }],
        MemoryBudget::default(),
    );
    assert_eq!(image.verdict, Verdict::Unknown);
    assert_eq!(
        image.errors,
        ["a: reading the partition table: the time limit of the inspection is over"]
    );
    assert_eq!(codes(&image), [ProblemCode::Timeout]);
}

#[test]
fn a_reader_that_panics_costs_one_partition() {
    /// Answers for the table and the marks, and panics in the file system.
    struct Trap(MemoryDisk);
    impl BlockSource for Trap {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            assert!(
                offset != 3 * MIB as u64 + 1024 || buffer.len() != 1024,
                "sprung"
            );
            self.0.read_at(offset, buffer)
        }
        fn stats(&self) -> houndigrade_report::Stats {
            self.0.stats()
        }
    }
    let Some(mut disk) = cloud_disk(&debian()) else {
        return;
    };
    place(
        &mut disk,
        7 * MIB,
        &rhel().file_system("ext4", 2 * MIB).unwrap(),
    );
    let image = inspect(
        vec![Disk {
            name: "a".into(),
            source: Ok(Arc::new(Trap(MemoryDisk(disk)))),
        }],
        MemoryBudget::default(),
    );
    assert_eq!(image.verdict, Verdict::Rhel);
    assert_eq!(image.errors, ["a3: the reader of ext4 failed: sprung"]);
    assert_eq!(codes(&image), [ProblemCode::ReaderFailed]);
}

proptest! {
    #![proptest_config(random_cases(32))]

    /// An inspection of any bytes ends in a report, and unread parts are never "not RHEL".
    #[test]
    fn random_bytes_are_survived(mut disk in prop::collection::vec(any::<u8>(), 0..70_000), magic in any::<bool>()) {
        if magic && disk.len() > 2048 {
            disk[1080..1082].copy_from_slice(&[0x53, 0xef]);
        }
        let image = inspect_bytes(disk);
        prop_assert_eq!(image.verdict, Verdict::Unknown);
        prop_assert!(!image.errors.is_empty());
    }
}

/// Bytes overwritten in a sound file system reach deeper into its reader than noise does; deepest without checksums.
#[rstest]
#[case::without_checksums("ext2")]
#[case::with_a_journal("ext3")]
#[case::with_checksums("ext4")]
fn damage_is_survived(#[case] kind: &str) {
    let tree = rhel()
        .file("/etc/pki/product/69.pem", "certificate")
        .link("/etc/x-release", &"/etc".repeat(30));
    let Some(sound) = tree.file_system(kind, 2 * MIB) else {
        return;
    };
    // Superblock, descriptors, bitmaps, inodes, directories and files lie in the first quarter.
    let anywhere = prop::collection::vec((0..sound.len() / 4, any::<u8>()), 1..200);
    let superblock = prop::collection::vec((1024..1400usize, any::<u8>()), 0..6);
    let survived = proptest::test_runner::TestRunner::new(random_cases(100)).run(
        &(anywhere, superblock),
        |(anywhere, superblock)| {
            let mut disk = sound.clone();
            for (at, byte) in anywhere.into_iter().chain(superblock) {
                disk[at] = byte;
            }
            let image = inspect_bytes(disk);
            // Without checksums, a letter changed in "Red Hat" is just another text.
            if kind == "ext4" {
                prop_assert_ne!(image.verdict, Verdict::NotRhel);
            }
            Ok(())
        },
    );
    survived.unwrap();
}
