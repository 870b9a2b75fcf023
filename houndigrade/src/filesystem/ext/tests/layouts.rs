//! Every layout of files and directories in ext, made by the kernel and compared with its view.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::Arc;

use rstest::rstest;
use tempfile::NamedTempFile;

use super::*;
use crate::source::DiskFile;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{MIB, run};

/// Makes a file system that `mke2fs` made with the options, and `work` changed through the kernel.
fn disk(make: &[&str], size: &str, work: impl Fn(&Path)) -> Option<NamedTempFile> {
    let disk = NamedTempFile::new().unwrap();
    let path = disk.path().to_str().unwrap();
    run("mke2fs", &[&["-q", "-F"], make, &[path, size]].concat(), "")?;
    let mount = KernelMount::new(disk.path(), "rw")?;
    work(mount.path());
    Some(disk)
}

fn open(disk: &NamedTempFile) -> Ext {
    let source = DiskFile::open(disk.path()).unwrap();
    Ext::open("ext4", Arc::new(source), &MemoryBudget::default()).unwrap()
}

fn assert_reads_as_the_kernel_does(disk: &NamedTempFile) {
    let Some(mount) = KernelMount::new(disk.path(), "ro") else {
        return;
    };
    assert_same_tree(&open(disk), mount.path());
}

/// Bytes that differ from block to block, and are never zeros.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 512 % 251 + 1) as u8).collect()
}

fn fallocate(arguments: &[&str], file: &Path) {
    let path = file.to_str().unwrap();
    run("fallocate", &[arguments, &[path]].concat(), "").unwrap();
}

/// Fills the disk with something that shines through where unwritten blocks are read.
fn leave_stale_blocks(root: &Path) {
    let file = root.join("stale");
    let mut stale = File::create(&file).unwrap();
    while io::Write::write_all(&mut stale, &[0xaa; MIB]).is_ok() {}
    let _ = stale.sync_all();
    fs::remove_file(file).unwrap();
    File::open(root).unwrap().sync_all().unwrap();
}

#[test]
fn allocated_blocks_that_were_never_written_are_zeros() {
    let work = |root: &Path| {
        leave_stale_blocks(root);
        let file = |name: &str| {
            let path = root.join(name);
            (File::create(&path).unwrap(), path)
        };
        let (middle, path) = file("written_in_the_middle");
        fallocate(&["-l", "1M"], &path);
        middle.write_all_at(&pattern(10_000), 300_000).unwrap();
        let (beyond, path) = file("allocated_beyond_its_end");
        beyond.write_all_at(&pattern(10_000), 0).unwrap();
        fallocate(&["-n", "-o", "8K", "-l", "1M"], &path);
        let (holes, path) = file("holes_of_all_kinds");
        holes.write_all_at(&pattern(MIB), 0).unwrap();
        holes.sync_all().unwrap();
        fallocate(&["-p", "-o", "64K", "-l", "96K"], &path);
        fallocate(&["-z", "-o", "512K", "-l", "96K"], &path);
        holes.set_len(2 << 20).unwrap();
    };
    if let Some(disk) = disk(&["-t", "ext4"], "16M", work) {
        assert_reads_as_the_kernel_does(&disk);
    }
}

/// Makes a bit of everything: directories with and without an index, symlinks short and long, names that come and go, files in pieces.
fn everything(root: &Path) {
    let large = root.join("large directory");
    fs::create_dir(&large).unwrap();
    for i in 0..2000 {
        let path = large.join(format!("{i:04} with a name of some length"));
        fs::write(&path, format!("contents of {i}")).unwrap();
    }
    for i in (0..2000).step_by(3) {
        fs::remove_file(large.join(format!("{i:04} with a name of some length"))).unwrap();
    }
    for length in [1, 59, 60, 61, 200, 1000] {
        symlink("t".repeat(length), root.join(format!("link{length}"))).unwrap();
        let folder = root.join("folder").join("f".repeat(length.min(255)));
        fs::create_dir_all(folder).unwrap();
        fs::write(root.join(format!("file{length}")), pattern(length)).unwrap();
    }
    fs::write(root.join("file"), pattern(3 * MIB + 7)).unwrap();
    run("mkfifo", &[root.join("pipe").to_str().unwrap()], "").unwrap();

    let holes = File::create(root.join("holes")).unwrap();
    for at in (0..600).step_by(3) {
        holes.write_all_at(&pattern(700), at * 1024).unwrap();
    }
    holes.set_len(2 << 20).unwrap();
}

#[rstest]
#[case::ext2(&["-t", "ext2"])]
#[case::ext2_revision_0(&["-t", "ext2", "-r", "0"])]
#[case::ext2_without_types(&["-t", "ext2", "-O", "^filetype", "-b", "1024"])]
#[case::ext3(&["-t", "ext3", "-b", "1024"])]
#[case::ext4(&["-t", "ext4", "-b", "4096"])]
#[case::ext4_blocks_of_1k(&["-t", "ext4", "-b", "1024"])]
#[case::ext4_blocks_of_2k(&["-t", "ext4", "-b", "2048"])]
#[case::without_checksums(&["-t", "ext4", "-O", "^metadata_csum"])]
#[case::with_group_checksums(&["-t", "ext4", "-O", "^metadata_csum,uninit_bg"])]
#[case::without_64_bits(&["-t", "ext4", "-O", "^64bit"])]
#[case::without_either(&["-t", "ext4", "-O", "^64bit,^metadata_csum", "-b", "1024"])]
#[case::without_extents(&["-t", "ext4", "-O", "^extent,^64bit", "-b", "1024"])]
#[case::without_index(&["-t", "ext4", "-O", "^dir_index"])]
#[case::small_inodes(&["-t", "ext4", "-I", "128"])]
#[case::large_inodes(&["-t", "ext4", "-I", "1024"])]
#[case::small_groups(&["-t", "ext4", "-b", "1024", "-g", "256", "-O", "^flex_bg"])]
#[case::meta_bg(&["-t", "ext4", "-b", "1024", "-g", "256", "-O", "meta_bg,^resize_inode"])]
#[case::meta_bg_alone(&["-t", "ext4", "-b", "1024", "-g", "256", "-O", "meta_bg,^resize_inode,^flex_bg,^sparse_super,^64bit"])]
#[case::sparse_super2(&["-t", "ext4", "-b", "1024", "-g", "256", "-O", "meta_bg,^resize_inode,^flex_bg,sparse_super2"])]
#[case::bigalloc(&["-t", "ext4", "-O", "bigalloc", "-b", "1024", "-C", "4096"])]
#[case::checksum_seed(&["-t", "ext4", "-O", "metadata_csum_seed"])]
#[case::large_dir(&["-t", "ext4", "-O", "large_dir"])]
#[case::inline_data(&["-t", "ext4", "-O", "inline_data"])]
#[case::inline_data_in_large_inodes(&["-t", "ext4", "-O", "inline_data", "-I", "2048", "-b", "4096"])]
fn all_layouts_read_as_the_kernel_does(#[case] make: &[&str]) {
    let make = &[make, &["-N", "8000"]].concat();
    if let Some(disk) = disk(make, "48M", everything) {
        assert_reads_as_the_kernel_does(&disk);
    }
}

/// A file in 30 000 pieces takes a tree of four levels.
#[test]
fn trees_of_extents_may_be_deep() {
    let work = |root: &Path| {
        let file = File::create(root.join("pieces")).unwrap();
        for i in 0..30_000 {
            file.write_all_at(&[i as u8 | 1; 1024], i * 2048).unwrap();
        }
        let file = File::create(root.join("unwritten pieces")).unwrap();
        for i in 0..500 {
            file.write_all_at(&[i as u8 | 1; 1024], i * 2048).unwrap();
        }
        fallocate(&["-l", "1M"], &root.join("unwritten pieces"));
    };
    let Some(disk) = disk(&["-t", "ext4", "-b", "1024"], "64M", work) else {
        return;
    };
    let path = disk.path().to_str().unwrap();
    let extents = run("debugfs", &["-R", "ex /pieces", path], "").unwrap();
    assert!(extents.contains(" 3/ 3 "), "{}", &extents[..500]);
    assert_reads_as_the_kernel_does(&disk);
}

/// Files of many GiB with a few blocks, of which those around the boundaries of the levels of the map are read.
#[rstest]
#[case::ext2_blocks_of_1k(&["-t", "ext2", "-b", "1024"], 16 << 30)]
#[case::ext2_blocks_of_4k(&["-t", "ext2", "-b", "4096"], 1 << 40)]
#[case::ext4_blocks_of_1k(&["-t", "ext4", "-b", "1024"], 4 << 40)]
#[case::ext4_blocks_of_4k(&["-t", "ext4", "-b", "4096"], 16 << 40)]
fn sparse_files_are_read_at_any_offset(#[case] make: &[&str], #[case] end: u64) {
    let mut places = vec![0, 5 << 30, end - (1 << 20)];
    for block_size in [1024, 4096] {
        let numbers: u64 = block_size / 4;
        let (single, double) = (12 + numbers, 12 + numbers + numbers * numbers);
        places.extend([12, single, double, double + numbers].map(|block| block * block_size));
    }
    let work = |root: &Path| {
        let file = File::create(root.join("sparse")).unwrap();
        for &place in &places {
            file.write_all_at(&pattern(5000), place.saturating_sub(2000))
                .unwrap();
        }
    };
    let Some(disk) = disk(make, "16M", work) else {
        return;
    };
    let Some(mount) = KernelMount::new(disk.path(), "ro") else {
        return;
    };
    let theirs = File::open(mount.path().join("sparse")).unwrap();
    let fs = open(&disk);
    let mut ours = FileSystem::open(&fs, "/sparse").unwrap();
    assert_eq!(ours.size(), theirs.metadata().unwrap().len());
    places.push(ours.size() - 100);
    for place in places.into_iter().rev() {
        for start in [place.saturating_sub(9000), place.saturating_sub(7), place] {
            let (mut read, mut expected) = (vec![1; 20_000], vec![1; 20_000]);
            let length = ours.read_at(start, &mut read).unwrap();
            let mut filled = 0;
            while let n @ 1.. = theirs
                .read_at(&mut expected[filled..], start + filled as u64)
                .unwrap()
            {
                filled += n;
            }
            assert_eq!(length, filled, "at {start}");
            assert!(read[..length] == expected[..filled], "at {start}");
        }
    }
    assert_eq!(ours.read_at(ours.size(), &mut [0; 9]).unwrap(), 0);
    assert_eq!(ours.read_at(u64::MAX, &mut [0; 9]).unwrap(), 0);
}
