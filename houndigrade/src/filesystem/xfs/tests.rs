use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use proptest::prelude::*;
use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::filesystem::{self, Content};
use crate::source::DiskFile;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{memory, run};
use houndigrade_report::Stats;

/// An image in a sparse file: `mkfs.xfs` makes none smaller than 300 MB.
struct Image {
    _folder: TempDir,
    path: PathBuf,
}

impl Image {
    /// Made by `mkfs.xfs` with `options`. `None`, and a word about it, without the tool.
    fn new(options: &str) -> Option<Self> {
        let image = Self::empty(320 * 1024 * 1024);
        let mut arguments = vec!["-q", "-f"];
        arguments.extend(options.split_whitespace());
        arguments.push(image.path.to_str().unwrap());
        run("mkfs.xfs", &arguments, "")?;
        Some(image)
    }

    fn empty(size: u64) -> Self {
        let folder = memory();
        let path = folder.path().join("image");
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn copy(&self) -> Self {
        let copy = Self::empty(0);
        let (from, to) = (self.path.to_str().unwrap(), copy.path.to_str().unwrap());
        run("cp", &["--sparse=always", from, to], "").unwrap();
        copy
    }

    fn disk(&self) -> Arc<dyn BlockSource> {
        Arc::new(DiskFile::open(&self.path).unwrap())
    }

    fn open(&self) -> Result<Box<dyn FileSystem>, FileSystemError> {
        filesystem::open(
            Content::probe(&*self.disk()).unwrap(),
            self.disk(),
            &MemoryBudget::default(),
        )
    }
}

fn xfs_io(path: &Path, commands: &[&str]) {
    let mut arguments = vec!["-f"];
    arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
    arguments.push(path.to_str().unwrap());
    run("xfs_io", &arguments, "").unwrap();
}

fn fill_directory(root: &Path, name: &str, count: usize) {
    let folder = root.join(name);
    fs::create_dir(&folder).unwrap();
    for number in 0..count {
        let file = folder.join(format!("a file with a longer name {number}"));
        let contents = if number % 50 == 0 { name } else { "" };
        fs::write(file, contents).unwrap();
    }
}

/// Directories and files in every shape that they have on the disk.
fn fill(root: &Path) {
    // In the inode, in a block, in blocks with an index, in many, and in so many that they take a tree.
    for (name, count) in [
        ("short", 3),
        ("block", 40),
        ("leaf", 400),
        ("node", 1500),
        ("tree", 5000),
    ] {
        fill_directory(root, name, count);
    }
    fs::create_dir_all(root.join("a/b/c/d")).unwrap();
    symlink("../short", root.join("a/link")).unwrap();
    symlink("x".repeat(1000), root.join("a/long link")).unwrap();
    run("mkfifo", &[root.join("a/pipe").to_str().unwrap()], "").unwrap();

    fs::write(root.join("large"), noise(2_000_001)).unwrap();
    scatter(&root.join("holes"), 1500, 12_288);
    xfs_io(
        &root.join("unwritten"),
        &["falloc 0 1m", "pwrite -S 7 64k 100k", "pwrite 900k 1k"],
    );
}

/// Writes `count` blocks to a file with holes between them.
fn scatter(path: &Path, count: u64, distance: u64) {
    let file = fs::File::create(path).unwrap();
    for number in 0..count {
        let block = [number as u8; 4096];
        file.write_all_at(&block, number * distance).unwrap();
    }
    file.set_len(count * distance + 12_345).unwrap();
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(next).collect()
}

#[rstest]
#[case::as_it_comes("")]
#[case::rhel_8("-m bigtime=0,inobtcount=0,reflink=1")]
#[case::all_new("-m bigtime=1,inobtcount=1,reflink=1,rmapbt=1 -i nrext64=1,sparse=1")]
#[case::no_sparse_inodes("-m finobt=0,reflink=0 -i sparse=0")]
#[case::large_inodes("-i size=2048 -n size=16384")]
#[case::blocks_of_1_kib("-b size=1024")]
#[case::blocks_of_2_kib("-b size=2048")]
#[case::blocks_of_16_kib("-b size=16384")]
#[case::blocks_of_64_kib("-b size=65536")]
#[case::striped("-d su=256k,sw=2,agcount=2 -l su=256k")]
#[case::sectors_of_4_kib("-s size=4096")]
fn the_kernel_sees_the_same_files(#[case] options: &str) {
    let Some(image) = Image::new(options) else {
        return;
    };
    assert!(image.open().unwrap().names("/", 1).unwrap().is_empty());
    let Some(mount) = KernelMount::new(&image.path, "rw") else {
        return;
    };
    fill(mount.path());
    drop(mount);

    let fs = image.open().unwrap();
    let Some(mount) = KernelMount::new(&image.path, "ro") else {
        return;
    };
    assert_same_tree(&*fs, mount.path());
}

/// A file system that was filled, changed and cut off, with all that in its log and little of it in its place.
fn cut_off(options: &str) -> Option<Image> {
    let image = Image::new(options)?;
    let mount = KernelMount::new(&image.path, "rw")?;
    let root = mount.path();
    fill(root);
    run("sync", &["-f", root.to_str().unwrap()], "").unwrap();
    for folder in ["block", "leaf", "node", "tree"] {
        for entry in fs::read_dir(root.join(folder)).unwrap().step_by(3) {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    fs::remove_dir_all(root.join("short")).unwrap();
    fill_directory(root, "short", 500);
    fill_directory(root, "new", 1500);
    fs::rename(root.join("a"), root.join("new/moved")).unwrap();
    symlink("y".repeat(900), root.join("long link")).unwrap();
    xfs_io(&root.join("holes"), &["fpunch 100k 5m", "truncate 9m"]);
    scatter(&root.join("fragmented"), 800, 8192);
    fs::write(root.join("large"), noise(400_001)).unwrap();
    let root = root.to_str().unwrap();
    run("xfs_io", &["-x", "-c", "shutdown -f", root], "").unwrap();
    drop(mount);
    Some(image)
}

#[rstest]
#[case::as_it_comes("")]
#[case::rhel_8("-m bigtime=0,inobtcount=0")]
#[case::all_new("-m bigtime=1,inobtcount=1,rmapbt=1 -i nrext64=1")]
#[case::blocks_of_1_kib("-b size=1024")]
#[case::large_inodes("-i size=2048 -n size=16384")]
#[case::striped("-d su=256k,sw=2,agcount=2 -l su=256k")]
#[case::a_short_log("--unsupported -l size=8m")]
fn a_log_that_was_cut_off_is_replayed_as_the_kernel_does(#[case] options: &str) {
    let Some(image) = cut_off(options) else {
        return;
    };
    let recovered = image.copy();
    let Some(mount) = KernelMount::new(&recovered.path, "rw") else {
        return;
    };
    assert_same_tree(&*image.open().unwrap(), mount.path());
    let geometry = Geometry::read(&*image.disk()).unwrap();
    let replayed = recover(
        &*image.disk(),
        &geometry,
        &mut MemoryBudget::default().reservation(),
    )
    .unwrap();
    assert!(replayed.overlay.size() > 100_000);

    let small = MemoryBudget::new(64 << 10);
    let error = Xfs::open(image.disk(), &small).err().unwrap();
    assert!(error.to_string().starts_with("memory limit: "), "{error}");
    small
        .reservation()
        .try_grow(64 << 10)
        .expect("all of it is given back");
}

/// Bytes read from a disk of 10 GiB to open it and to read one file.
fn cost(image: &Image) -> u64 {
    let started = Instant::now();
    let disk = image.disk();
    let fs = Xfs::open(Arc::clone(&disk), &MemoryBudget::default()).unwrap();
    let opened = disk.stats().bytes_read;
    let mut release = [0; 100];
    let read = fs.open("/etc/os-release").unwrap().read_at(0, &mut release);
    assert_eq!(release[..read.unwrap()], *b"ID=rhel\n");
    let read = disk.stats().bytes_read;
    eprintln!(
        "{opened} bytes to open, {read} in all, {:?}",
        started.elapsed()
    );
    read
}

#[test]
fn little_is_read_of_a_large_disk() {
    let image = Image::empty(10 * 1024 * 1024 * 1024);
    let made = run("mkfs.xfs", &["-q", image.path.to_str().unwrap()], "");
    if made.is_none() {
        return;
    }
    let Some(mount) = KernelMount::new(&image.path, "rw") else {
        return;
    };
    fill_directory(mount.path(), "etc", 300);
    fs::write(mount.path().join("etc/os-release"), "ID=rhel\n").unwrap();
    let root = mount.path().to_str().unwrap();
    run("sync", &["-f", root], "").unwrap();
    fill_directory(mount.path(), "var", 5000);
    run("xfs_io", &["-x", "-c", "shutdown -f", root], "").unwrap();
    drop(mount);
    let dirty = cost(&image);
    // The kernel replays the log.
    drop(KernelMount::new(&image.path, "rw"));
    let clean = cost(&image);
    assert!(clean < 100_000, "{clean}");
    assert!(dirty < 32 * 1024 * 1024, "{dirty}");
}

/// A disk of which only some pages are not zero.
#[derive(Clone)]
struct Pages(BTreeMap<u64, Vec<u8>>);

impl Pages {
    const SIZE: usize = 4096;

    /// The file system of version 4 with a dirty log.
    fn v4() -> Self {
        let packed = unpack(include_bytes!("testdata/v4-dirty.pages.gz"));
        let pages = packed.chunks_exact(8 + Self::SIZE).map(|page| {
            let (offset, bytes) = page.split_first_chunk().unwrap();
            (u64::from_le_bytes(*offset), bytes.to_vec())
        });
        Self(pages.collect())
    }

    fn patch(mut self, offset: u64, bytes: &[u8]) -> Self {
        let size = Self::SIZE as u64;
        let page = self.0.get_mut(&(offset / size * size)).unwrap();
        page[(offset % size) as usize..][..bytes.len()].copy_from_slice(bytes);
        self
    }

    fn open(self) -> Result<Xfs, FileSystemError> {
        Xfs::open(Arc::new(self), &MemoryBudget::default())
    }
}

impl BlockSource for Pages {
    fn size(&self) -> u64 {
        320 * 1024 * 1024
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let (page, from) = (at / Self::SIZE as u64, (at % Self::SIZE as u64) as usize);
            let length = (Self::SIZE - from).min(buffer.len() - filled);
            let piece = &mut buffer[filled..filled + length];
            match self.0.get(&(page * Self::SIZE as u64)) {
                Some(bytes) => piece.copy_from_slice(&bytes[from..from + length]),
                None => piece.fill(0),
            }
            filled += length;
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// All paths below `folder` with what is there, as in `v4-dirty.files.gz`.
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
    list(&Pages::v4().open().unwrap(), "", &mut ours);
    ours.sort_unstable();
    let kernels = unpack(include_bytes!("testdata/v4-dirty.files.gz"));
    let kernels: Vec<_> = std::str::from_utf8(&kernels).unwrap().lines().collect();
    assert_eq!(ours, kernels);
}

/// Without the log, hardly anything is there: it is what the test above reads.
#[test]
fn most_files_of_the_dirty_disk_are_in_its_log() {
    let geometry = Geometry::read(&Pages::v4()).unwrap();
    let recovered = recover(
        &Pages::v4(),
        &geometry,
        &mut MemoryBudget::default().reservation(),
    )
    .unwrap();
    assert!(recovered.overlay.size() > 200_000);
    assert!(recovered.unfinished.is_empty());
}

#[test]
fn pieces_of_a_file_are_those_of_the_whole() {
    let fs = Pages::v4().open().unwrap();
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

#[rstest]
#[case::sectors(102, &[0, 0], "sectors of 0 bytes")]
#[case::blocks(4, &[0, 0, 3, 0], "blocks of 768 bytes")]
#[case::longer_than_the_disk(8, &[0, 0, 0, 0, 0, 1, 0x40, 1], "it is 335548416 bytes long, but its partition ends after 335544320")]
#[case::endless(8, &[0xff; 8], "it is 18446744073709551615 bytes long, but its partition ends after 335544320")]
#[case::log_elsewhere(48, &[0; 8], "its log is on another device")]
#[case::no_log(96, &[0; 4], "its log of 0 bytes at 167788544 is not within its 335544320 bytes")]
#[case::log_beyond_the_end(96, &[0xff; 4], "its log of 17592186040320 bytes at 167788544 is not within its 335544320 bytes")]
#[case::version(100, &[0, 3], "/: sb_unsupported_version")]
fn an_impossible_superblock_is_refused(
    #[case] offset: u64,
    #[case] bytes: &[u8],
    #[case] problem: &str,
) {
    let error = Pages::v4().patch(offset, bytes).open().err().unwrap();
    assert_eq!(error.to_string(), format!("xfs file system: {problem}"));
}

/// Looks at everything there is, a little of each, and at no error.
fn look_around(fs: &Xfs) {
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let at = if folder.is_empty() { "/" } else { &folder };
        for name in fs.names(at, 20_000).unwrap_or_default().into_iter().take(5) {
            let path = format!("{folder}/{name}");
            match fs.file_type(&path) {
                Ok(Some(FileType::Directory)) if folder.len() < 50 => folders.push(path),
                Ok(Some(FileType::Symlink)) => drop(fs.link_target(&path)),
                Ok(Some(FileType::File)) => {
                    if let Ok(mut file) = fs.open(&path) {
                        let _ = file.read_at(0, &mut vec![0; 300_000]);
                        let _ = file.read_at(file.size().saturating_sub(9), &mut [0; 9]);
                    }
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_an_error_soon(damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4096usize, any::<u8>()), 1..200)) {
        let mut pages = Pages::v4();
        let offsets: Vec<u64> = pages.0.keys().copied().collect();
        for (page, at, byte) in damage {
            pages.0.get_mut(page.get(&offsets)).unwrap()[at] = byte;
        }
        let started = Instant::now();
        if let Ok(fs) = pages.open() {
            look_around(&fs);
        }
        prop_assert!(started.elapsed() < Duration::from_secs(20));
    }
}
