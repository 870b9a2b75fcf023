//! The log of version 4 is replayed as by the kernel.

use super::pages::{SparseDisk, unpack};
use super::*;

/// Lists all paths below `folder` with their types and contents, as in `v4-dirty.files.gz`.
fn list(fs: &Xfs, folder: &str, lines: &mut Vec<String>) {
    let at = if folder.is_empty() { "/" } else { folder };
    for name in fs.names(at, 10_000).unwrap() {
        let path = format!("{folder}/{name}");
        let what = match fs.file_type(&path).unwrap().unwrap() {
            FileType::Directory => {
                list(fs, &path, lines);
                "directory".into()
            }
            FileType::Symlink => format!("symlink {}", fs.link_target(&path).unwrap()),
            _ => {
                let mut file = fs.open(&path).unwrap();
                let mut contents = vec![0; file.size() as usize];
                file.read_at(0, &mut contents).unwrap();
                let sum = crc32fast::hash(&contents);
                format!("file {} {sum:08x}", contents.len())
            }
        };
        lines.push(format!("{path}\t{what}"));
    }
}

#[test]
fn a_log_of_version_4_is_replayed_as_the_kernel_does() {
    let mut ours = Vec::new();
    list(&SparseDisk::v4().open().unwrap(), "", &mut ours);
    ours.sort_unstable();
    let kernels = unpack(include_bytes!("../testdata/v4-dirty.files.gz"));
    let kernels: Vec<_> = std::str::from_utf8(&kernels).unwrap().lines().collect();
    assert_eq!(ours, kernels);
}

/// Proves the test above: without the log, hardly anything is there.
#[test]
fn most_files_of_the_dirty_disk_are_in_its_log() {
    let geometry = Geometry::read(&SparseDisk::v4()).unwrap();
    let recovered = recover(
        &SparseDisk::v4(),
        &geometry,
        &MemoryBudget::default(),
        &mut MemoryBudget::default().reservation(),
    )
    .unwrap();
    assert!(recovered.overlay.size() > 200_000);
    assert!(recovered.unfinished.is_empty());
}

#[test]
fn pieces_of_a_file_are_those_of_the_whole() {
    let fs = SparseDisk::v4().open().unwrap();
    let mut file = fs.open("/small/unwritten").unwrap();
    let mut whole = vec![0; file.size() as usize];
    assert_eq!(file.read_at(0, &mut whole).unwrap(), whole.len());
    for (offset, length) in [
        (0, 1),
        (1, 5000),
        (5001, 300),
        (1_000_000, 99_999),
        (12_000, 300_000),
    ] {
        let mut piece = vec![1; length];
        let read = file.read_at(offset as u64, &mut piece).unwrap();
        assert_eq!(read, length.min(whole.len() - offset));
        assert!(piece[..read] == whole[offset..offset + read]);
    }
    assert_eq!(file.read_at(u64::MAX, &mut [0; 9]).unwrap(), 0);
}
