//! Damage of all kinds: reading ends, and nothing with a checksum is read wrong.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rstest::rstest;

use super::*;
use crate::test_disks::{MIB, MemoryDisk, Tree, run};

/// Makes a file system of 1 KiB blocks with directories, links and a file in pieces.
fn disk(features: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("folder/below")).unwrap();
    for i in 0..40 {
        fs::write(tree.join(format!("folder/file{i}")), [i; 50]).unwrap();
    }
    std::os::unix::fs::symlink("t".repeat(100), tree.join("link")).unwrap();
    let mut pieces = vec![0; 800 * 1024];
    for piece in pieces.chunks_mut(4096) {
        piece[..100].fill(7);
    }
    fs::write(tree.join("pieces"), pieces).unwrap();
    let image = folder.path().join("image");
    let (tree, path) = (tree.to_str().unwrap(), image.to_str().unwrap());
    let make = ["-q", "-t", "ext4", "-b", "1024", "-O", features];
    run(
        "mke2fs",
        &[&make, &["-N", "80", "-d", tree, path, "2M"][..]].concat(),
        "",
    )?;
    Some(fs::read(image).unwrap())
}

/// Reads all there is, as far as that gets. A damaged tree may have circles.
fn read(image: Vec<u8>) -> Result<(), FileSystemError> {
    let fs = Ext::open(
        "ext4",
        Arc::new(MemoryDisk(image)),
        &MemoryBudget::default(),
    )?;
    let mut pending = vec![String::new()];
    let mut first_error = Ok(());
    for _ in 0..100 {
        let Some(path) = pending.pop() else { break };
        let at = if path.is_empty() { "/" } else { &path };
        let result = fs.file_type(at).and_then(|found| match found {
            Some(FileType::Directory) => {
                let names = fs.names(at, 1000)?;
                pending.extend(names.iter().map(|name| format!("{path}/{name}")));
                Ok(())
            }
            Some(FileType::Symlink) => fs.link_target(at).map(drop),
            Some(FileType::File) => {
                let mut file = FileSystem::open(&fs, at)?;
                let mut buffer = vec![0; 900 * 1024];
                file.read_at(0, &mut buffer)?;
                file.read_at(file.size() / 2, &mut buffer[..9000])?;
                file.read_at(file.size().saturating_sub(9), &mut buffer)?;
                Ok(())
            }
            _ => Ok(()),
        });
        first_error = first_error.and(result);
    }
    first_error
}

#[rstest]
#[case::extents("^metadata_csum")]
#[case::checksums("metadata_csum")]
#[case::indirect("^metadata_csum,^extent,^64bit")]
#[case::inline_data("^metadata_csum,inline_data")]
#[case::meta_bg("^metadata_csum,meta_bg,^resize_inode")]
fn damage_is_survived(#[case] features: &str) {
    let Some(sound) = disk(features) else {
        return;
    };
    read(sound.clone()).unwrap();
    // Bytes other than zeros, without most contents.
    let places: Vec<usize> = (1024..sound.len())
        .filter(|&at| !matches!(sound[at], 0 | 7))
        .collect();
    let change = (prop::sample::select(places), any::<u8>());
    let changes = prop::collection::vec(change, 1..30);
    let config = ProptestConfig {
        cases: 100,
        ..ProptestConfig::default()
    };
    let survived = TestRunner::new(config).run(&changes, |changes| {
        let mut image = sound.clone();
        for (at, byte) in changes {
            image[at] = byte;
        }
        let _ = read(image);
        Ok(())
    });
    survived.unwrap();
}

/// Flips a bit in a place that `debugfs` names.
#[rstest]
#[case::superblock(None, 0x100, "its superblock does not fit its checksum")]
#[case::directory(Some("/folder"), 30, "directory 12 does not fit its checksum")]
fn what_does_not_fit_its_checksum_is_an_error(
    #[case] path: Option<&str>,
    #[case] offset: usize,
    #[case] expected: &str,
) {
    let Some(mut image) = disk("metadata_csum") else {
        return;
    };
    let block = path.map_or(1, |path| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &image).unwrap();
        let command = format!("blocks {path}");
        let disk = file.path().to_str().unwrap();
        let blocks = run("debugfs", &["-R", &command, disk], "").unwrap();
        blocks.split_whitespace().next().unwrap().parse().unwrap()
    });
    image[block * 1024 + offset] ^= 1;
    let error = read(image).unwrap_err().to_string();
    assert_eq!(error, format!("ext4 file system: {expected}"));
}

/// Each bit of an inode, of the descriptor of its group and of the tree of its extents counts.
#[test]
fn checksums_cover_all_metadata() {
    let Some(image) = disk("metadata_csum,^resize_inode") else {
        return;
    };
    let superblock = ExtSuperblock::read("ext4", &MemoryDisk(image.clone())).unwrap();
    let volume_disk = MemoryDisk(image.clone());
    let volume = ExtVolume {
        superblock: &superblock,
        disk: &volume_disk,
    };
    let table = groups::inode_table(volume, 0).unwrap() as usize * 1024;
    let root = table + superblock.inode_size() as usize;
    for at in [
        2048,
        2048 + 8,
        2048 + 63,
        root,
        root + 4,
        root + 0x28,
        root + 0x7c,
        root + 0xff,
    ] {
        let mut image = image.clone();
        image[at] ^= 1;
        let error = read(image).unwrap_err().to_string();
        assert!(
            error.ends_with("fit its checksum") || error.ends_with("is of no kind"),
            "byte {at}: {error}"
        );
    }
}

#[test]
fn encrypted_files_are_errors() {
    let tree = Tree::new().file("/file", "secret").file("/folder/file", "");
    let Some(image) = tree.file_system("ext4", MIB) else {
        return;
    };
    let disk = tempfile::NamedTempFile::new().unwrap();
    fs::write(disk.path(), image).unwrap();
    let script = "sif /file flags 0x80800\nsif /folder flags 0x80800\n";
    let path = disk.path().to_str().unwrap();
    run("debugfs", &["-w", "-f", "/dev/stdin", path], script).unwrap();
    let fs = Ext::open(
        "ext4",
        Arc::new(MemoryDisk(fs::read(disk.path()).unwrap())),
        &MemoryBudget::default(),
    )
    .unwrap();
    for error in [
        FileSystem::open(&fs, "/file").err(),
        fs.names("/folder", 9).err(),
        fs.file_type("/folder/file").err(),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.ends_with("is encrypted"), "{error}");
    }
}
