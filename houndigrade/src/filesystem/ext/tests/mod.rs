//! Disks of interrupted kernels, compared with the kernel's own recovery.

mod damage;
mod layouts;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use tempfile::NamedTempFile;

use super::*;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{MemoryDisk, random_cases, run};

/// `shutdown` of ext4's own: nothing more reaches the disk, as if the power were cut.
const CUT_POWER: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))
";

/// Writes and deletes until the log has come around to its beginning, then cuts the power.
fn dirty(make: &[&str], options: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let path = image.to_str().unwrap();
    run(
        "mke2fs",
        &[&["-q", "-F"], make, &[path, "32M"]].concat(),
        "",
    )?;
    let mount = KernelMount::new(&image, options)?;
    for round in 0..9 {
        work(mount.path(), round);
    }
    run(
        "python3",
        &["-c", CUT_POWER, mount.path().to_str().unwrap()],
        "",
    )?;
    drop(mount);
    Some(fs::read(image).unwrap())
}

/// Directories come, and those of the round before last go: their blocks are revoked, and become blocks of files.
fn work(root: &Path, round: usize) {
    let place = root.join(format!("round{round}"));
    for i in 0..8 {
        let folder = place.join(format!("folder{i}"));
        fs::create_dir_all(&folder).unwrap();
        for name in 0..6 {
            fs::write(
                folder.join(format!("file{name}{}", "x".repeat(60))),
                [i; 100],
            )
            .unwrap();
        }
        symlink("../".repeat(usize::from(i) + 1), folder.join("link")).unwrap();
    }
    commit(root);
    if let Some(old) = round.checked_sub(2) {
        fs::remove_dir_all(root.join(format!("round{old}"))).unwrap();
        commit(root);
    }
    // The mark of a journal's blocks at the beginning of each: such a block is escaped where data are journalled.
    let block = [&[0xc0, 0x3b, 0x39, 0x98][..], &[round as u8; 1020]].concat();
    fs::write(root.join(format!("large{round}")), block.repeat(300)).unwrap();
    commit(root);
}

/// Syncs, as `fsync` of any file does.
fn commit(root: &Path) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(root.join("log"))
        .unwrap();
    file.write_all(b"committed\n").unwrap();
    file.sync_all().unwrap();
    File::open(root).unwrap().sync_all().unwrap();
}

fn needs_recovery(image: &[u8]) -> bool {
    image[1024 + 0x60] & 4 != 0
}

#[rstest]
#[case::ext3(&["-t", "ext3"], "noatime")]
#[case::ext3_data(&["-t", "ext3"], "data=journal")]
#[case::ext4(&["-t", "ext4"], "noatime")]
#[case::ext4_data(&["-t", "ext4"], "data=journal")]
#[case::ext4_small_journal(&["-t", "ext4", "-b", "1024", "-J", "size=1"], "noatime")]
#[case::ext4_without_checksums(&["-t", "ext4", "-O", "^metadata_csum"], "noatime")]
#[case::ext4_without_either(&["-t", "ext4", "-O", "^metadata_csum,^64bit", "-b", "1024"], "data=journal")]
#[case::ext4_checksum_v1(&["-t", "ext4", "-O", "^metadata_csum"], "journal_checksum")]
#[case::ext4_async_commit(&["-t", "ext4"], "journal_async_commit,data=writeback")]
#[case::ext4_async_commit_v1(&["-t", "ext4", "-O", "^metadata_csum"], "journal_async_commit,data=writeback")]
#[case::ext4_harmless_features(&["-t", "ext4", "-O", "ea_inode,mmp"], "noatime")]
fn a_dirty_disk_reads_as_the_kernel_recovers_it(#[case] make: &[&str], #[case] options: &str) {
    let Some(image) = dirty(make, options) else {
        return;
    };
    assert!(needs_recovery(&image));
    let copy = tempfile::NamedTempFile::new().unwrap();
    fs::write(copy.path(), &image).unwrap();
    let Some(mount) = KernelMount::new(copy.path(), "rw") else {
        return;
    };
    let ours = Ext::open(
        "ext4",
        Arc::new(MemoryDisk(image)),
        &MemoryBudget::default(),
    )
    .unwrap();
    assert_same_tree(&ours, mount.path());
}

/// `debugfs` logs with the second kind of checksums too, which Linux has not written since 3.18.
#[rstest]
#[case::without("^metadata_csum", "")]
#[case::v1("^metadata_csum", "-c")]
#[case::v2("metadata_csum", "-c -v 2")]
#[case::v3("metadata_csum", "-c -v 3")]
fn journals_of_all_checksums_are_replayed(#[case] features: &str, #[case] journal: &str) {
    let Some((disk, number)) = disk_with_file(features) else {
        return;
    };
    let contents = tempfile::NamedTempFile::new().unwrap();
    fs::write(contents.path(), &"after".repeat(205)[..1024]).unwrap();
    let contents = contents.path().to_str().unwrap();
    let script = format!("jo {journal}\njw -b {number} {contents}\njc\n");
    let path = disk.path().to_str().unwrap();
    run("debugfs", &["-w", "-f", "/dev/stdin", path], &script).unwrap();
    let read = |image| {
        contents_of(&Ext::open(
            "ext4",
            Arc::new(MemoryDisk(image)),
            &MemoryBudget::default(),
        )?)
    };
    let image = fs::read(disk.path()).unwrap();
    assert!(needs_recovery(&image));
    assert!(read(image.clone()).unwrap().starts_with(b"afterafter"));

    // A flipped bit in the journal's copy breaks its checksum.
    let copy = image
        .windows(10)
        .position(|window| window == b"afterafter")
        .unwrap();
    let mut flipped = image;
    flipped[copy + 5] ^= 1;
    let read = read(flipped);
    assert_eq!(read.is_err(), !journal.is_empty(), "{read:?}");
}

/// Makes a file system with `/file`, and returns the number of the file's block too.
fn disk_with_file(features: &str) -> Option<(NamedTempFile, String)> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "before".repeat(100)).unwrap();
    let disk = NamedTempFile::new().unwrap();
    let (folder, path) = (folder.path().to_str()?, disk.path().to_str()?);
    run(
        "mke2fs",
        &[
            "-q", "-F", "-t", "ext4", "-O", features, "-d", folder, path, "16M",
        ],
        "",
    )?;
    let blocks = run("debugfs", &["-R", "blocks /file", path], "")?;
    Some((disk, blocks.trim().into()))
}

fn contents_of(fs: &Ext) -> Result<Vec<u8>, FileSystemError> {
    Ok(Root::new(fs).head("/file", 10)?.unwrap_or_default())
}

#[test]
fn damage_in_the_middle_of_a_file_is_an_error() {
    let Some((disk, _)) = disk_with_file("^metadata_csum,^extent,^64bit") else {
        return;
    };
    let path = disk.path().to_str().unwrap();
    let script = "sif /file size 8000000\nsif /file block[IND] 4000000000\n";
    run("debugfs", &["-w", "-f", "/dev/stdin", path], script).unwrap();
    let fs = Ext::open(
        "ext4",
        Arc::new(MemoryDisk(fs::read(disk.path()).unwrap())),
        &MemoryBudget::default(),
    )
    .unwrap();
    let mut file = FileSystem::open(&fs, "/file").unwrap();
    let error = file.read_at(20_000, &mut [0; 10]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ext4 file system: block 4000000000 is beyond its end"
    );
    assert_eq!(file.read_at(0, &mut [0; 10]).unwrap(), 10);
    assert_eq!(file.read_at(7_999_995, &mut [1; 10]).unwrap(), 5);
}

#[rstest]
#[case::compression(0x1, "ext4 with compression")]
#[case::journal_device(0x8, "the journal of another file system")]
#[case::dirdata(0x1000, "ext4 with dirdata")]
#[case::casefold(0x2_0000, "ext4 with casefold")]
fn features_that_cannot_be_read_are_named(#[case] bit: u32, #[case] what: &str) {
    let mut image = vec![0; 64 * 1024];
    image[1024 + 0x60..][..4].copy_from_slice(&(bit | 2).to_le_bytes());
    let error = Ext::open(
        "ext4",
        Arc::new(MemoryDisk(image)),
        &MemoryBudget::default(),
    )
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        format!("unsupported file system: {what}")
    );
}

/// A journal with overwritten bytes: contents may be wrong, but reading ends.
#[rstest]
#[case::without_checksums("^metadata_csum", "")]
#[case::with_checksums("metadata_csum", "-c -v 3")]
fn damage_in_a_journal_is_survived(#[case] features: &str, #[case] journal: &str) {
    let Some((disk, number)) = disk_with_file(features) else {
        return;
    };
    let path = disk.path().to_str().unwrap();
    let script = format!("jo {journal}\njw -b {number} /etc/hostname\njw -r 100-200\njc\n");
    run("debugfs", &["-w", "-f", "/dev/stdin", path], &script).unwrap();
    let place = run("debugfs", &["-R", "blocks <8>", path], "").unwrap();
    let place: usize = place.split_whitespace().next().unwrap().parse().unwrap();
    let sound = fs::read(disk.path()).unwrap();
    let block_size = 1024 << sound[1024 + 0x18];

    // The superblock of the journal and the log behind it, the superblock of the file system, and its inodes.
    let in_journal = (place * block_size..(place + 6) * block_size, any::<u8>());
    let anywhere = (1024..64 * block_size, any::<u8>());
    let damage = (
        prop::collection::vec(in_journal, 1..12),
        prop::collection::vec(anywhere, 0..2),
    );
    let survived =
        proptest::test_runner::TestRunner::new(random_cases(150)).run(&damage, |(log, others)| {
            let mut disk = sound.clone();
            for (at, byte) in log.into_iter().chain(others) {
                disk[at] = byte;
            }
            if let Ok(fs) = Ext::open("ext4", Arc::new(MemoryDisk(disk)), &MemoryBudget::default())
            {
                let _ = contents_of(&fs);
            }
            Ok(())
        });
    survived.unwrap();
}
