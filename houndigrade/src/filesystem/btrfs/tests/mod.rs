//! Images are made by `mkfs.btrfs` and filled by the kernel; the kernel says what must be read.

mod hostile;
mod log;
mod subvolumes;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use tempfile::TempDir;

use super::*;
use crate::filesystem::Content;
use crate::source::DiskFile;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{MIB, memory, run};

/// Options of a mount that shows all subvolumes, and commits only when told.
const TOP: &str = "subvolid=5,commit=300";

/// An image in a sparse file.
struct Image {
    folder: TempDir,
}

impl Image {
    /// Made by `mkfs.btrfs` with these options. `None`, and a word about it, without the tool.
    fn new(options: &str) -> Option<Self> {
        let image = Self { folder: memory() };
        let file = File::create(image.path()).unwrap();
        file.set_len(256 * MIB as u64).unwrap();
        let path = image.path();
        let mut arguments: Vec<&str> = options.split_whitespace().collect();
        arguments.extend(["-q", path.to_str().unwrap()]);
        run("mkfs.btrfs", &arguments, "")?;
        Some(image)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&self, options: &str) -> Option<KernelMount> {
        KernelMount::new(&self.path(), options)
    }

    /// As it is on the disk now, mounted or not.
    fn copy(&self) -> Self {
        let folder = memory();
        let (from, to) = (self.path(), folder.path().join("image"));
        let arguments = [
            "--sparse=always",
            from.to_str().unwrap(),
            to.to_str().unwrap(),
        ];
        run("cp", &arguments, "").unwrap();
        Self { folder }
    }

    fn source(&self) -> Arc<DiskFile> {
        Arc::new(DiskFile::open(&self.path()).unwrap())
    }

    fn open(&self) -> Result<Box<dyn FileSystem>, FileSystemError> {
        let source = self.source();
        crate::filesystem::open(
            Content::probe(&*source).unwrap(),
            source,
            &MemoryBudget::default(),
        )
    }
}

/// Text that every algorithm makes smaller.
fn text(length: usize) -> Vec<u8> {
    let lines =
        (0_u64..).flat_map(|line| format!("line {line} of {}\n", line * line % 977).into_bytes());
    lines.take(length).collect()
}

/// Bytes that no algorithm makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Writes files of every kind into a folder.
fn fill(folder: &Path) {
    for length in [
        0,
        1,
        100,
        2000,
        4095,
        4096,
        4097,
        70_000,
        131_072,
        131_073,
        MIB,
        3 * MIB + 5,
    ] {
        fs::write(folder.join(format!("text{length}")), text(length)).unwrap();
        fs::write(folder.join(format!("noise{length}")), noise(length)).unwrap();
    }
    holes(folder);
    names(folder);
    symlink("text100", folder.join("link")).unwrap();
    symlink("x/".repeat(1800), folder.join("long link")).unwrap();
    fs::create_dir_all(folder.join("a/b/c/d/e/f")).unwrap();
    fs::write(folder.join("a/b/c/d/e/f/deep"), "deep").unwrap();
    run("mkfifo", &[folder.join("pipe").to_str().unwrap()], "").unwrap();
    // More links than one item holds.
    for number in 0..400 {
        let name = format!("{number}{}", "long".repeat(20));
        fs::hard_link(folder.join("text2000"), folder.join(name)).unwrap();
    }
}

fn holes(folder: &Path) {
    let sparse = File::create(folder.join("sparse")).unwrap();
    for offset in [70_000, 500_000, 5_000_000] {
        sparse.write_all_at(&text(10_000), offset).unwrap();
    }
    sparse.set_len(9_000_000).unwrap();

    let parts = folder.join("parts");
    fs::write(&parts, text(2 * MIB)).unwrap();
    let file = File::options().write(true).open(&parts).unwrap();
    file.sync_all().unwrap();
    // Extents of which only a part is left.
    for offset in [5_000, 200_000, 1_000_001] {
        file.write_all_at(&noise(9_000), offset).unwrap();
        file.sync_all().unwrap();
    }
    let path = parts.to_str().unwrap();
    run("fallocate", &["-p", "-o", "40960", "-l", "81920", path], "").unwrap();
    run(
        "cp",
        &["--reflink=always", path, &format!("{path} again")],
        "",
    )
    .unwrap();

    let reserved = folder.join("reserved");
    run(
        "fallocate",
        &["-l", "1000000", reserved.to_str().unwrap()],
        "",
    )
    .unwrap();
    let file = File::options().write(true).open(&reserved).unwrap();
    file.write_all_at(&text(10_000), 300_000).unwrap();

    let mut pieces = File::create(folder.join("pieces")).unwrap();
    for piece in 0..60 {
        pieces.write_all(&noise(4096 + piece)).unwrap();
        pieces.sync_data().unwrap();
    }
}

fn names(folder: &Path) {
    let many = folder.join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..2000 {
        fs::write(
            many.join(format!("file number {number}")),
            number.to_string(),
        )
        .unwrap();
    }
    for number in (0..2000).step_by(3) {
        fs::remove_file(many.join(format!("file number {number}"))).unwrap();
    }
    for name in colliding() {
        fs::write(folder.join(&name), &name).unwrap();
    }
    fs::write(folder.join("n".repeat(255)), "long").unwrap();
}

/// Two names with one hash.
fn colliding() -> [String; 2] {
    let mut seen = BTreeMap::new();
    for number in 0_u64.. {
        let name = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Some(other) = seen.insert(checksum::name_hash(name.as_bytes()), name.clone()) {
            return [other, name];
        }
    }
    unreachable!()
}

#[test]
fn names_that_collide_differ() {
    let [one, other] = colliding();
    assert_ne!(one, other);
}

#[rstest]
#[case::usual("", "")]
#[case::zlib("", "compress-force=zlib")]
#[case::lzo("", "compress-force=lzo")]
#[case::zstd("", "compress-force=zstd")]
#[case::no_inline_files("", "max_inline=0")]
#[case::smallest_nodes("-n 4096", "compress-force=lzo")]
#[case::largest_nodes("-n 65536", "compress-force=zstd")]
#[case::mixed("--mixed -n 4096", "compress-force=zlib")]
#[case::explicit_holes("-O ^no-holes,^extref,^skinny-metadata", "")]
#[case::free_space_tree("-R free-space-tree", "")]
#[case::single("-m single -d single", "")]
#[case::all_twice("-m dup -d dup", "")]
#[case::quota("-R quota", "")]
fn reads_what_the_kernel_shows(#[case] mkfs: &str, #[case] mount: &str) {
    let Some(image) = Image::new(mkfs) else {
        return;
    };
    let Some(mounted) = image.mount(&format!("{TOP},{mount}")) else {
        return;
    };
    if mkfs.contains("extref") {
        names(mounted.path());
        holes(mounted.path());
    } else {
        fill(mounted.path());
    }
    drop(mounted);
    let mounted = image.mount("subvolid=5,ro").unwrap();
    assert_same_tree(&*image.open().unwrap(), mounted.path());
}

#[rstest]
#[case::xxhash(
    "--checksum xxhash",
    "unsupported file system: btrfs with xxhash checksums"
)]
#[case::sha256(
    "--checksum sha256",
    "unsupported file system: btrfs with SHA-256 checksums"
)]
#[case::blake2(
    "--checksum blake2",
    "unsupported file system: btrfs with BLAKE2 checksums"
)]
#[case::raid0("-m single -d raid0", "unsupported file system: btrfs RAID0")]
fn says_what_it_does_not_read(#[case] mkfs: &str, #[case] message: &str) {
    let Some(image) = Image::new(mkfs) else {
        return;
    };
    let opened = image.open();
    if let Ok(fs) = opened {
        let Some(mounted) = image.mount(TOP) else {
            return;
        };
        fs::write(mounted.path().join("file"), text(100_000)).unwrap();
        drop(mounted);
        drop(fs);
        let fs = image.open().unwrap();
        let error = fs.open("/file").unwrap().read_at(0, &mut [0; 10]);
        assert_eq!(error.unwrap_err().to_string(), message);
    } else {
        assert_eq!(opened.err().unwrap().to_string(), message);
    }
}

/// A file that is a block device as long as this lives.
struct Attached(String);

impl Attached {
    /// `None`, and a word about it, where this may not be done.
    fn new(file: &str) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["-f", "--show", file])
            .output();
        let output = output.ok().filter(|output| output.status.success());
        if output.is_none() {
            eprintln!("SKIPPED: no loop device for {file}");
        }
        let device = String::from_utf8(output?.stdout).unwrap();
        run("btrfs", &["device", "scan", device.trim()], "")?;
        Some(Self(device.trim().into()))
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

#[rstest]
#[case::both_have_all("-m raid1 -d raid1", None)]
#[case::the_other_has_the_data(
    "-m raid1 -d single",
    Some("unsupported file system: btrfs over several devices")
)]
fn reads_what_is_on_this_device(#[case] mkfs: &str, #[case] message: Option<&str>) {
    let folder = memory();
    let disks = ["one", "other"].map(|name| folder.path().join(name));
    // Data are put where there is more room.
    for (disk, size) in disks.iter().zip([256, 512]) {
        let file = File::create(disk).unwrap();
        file.set_len(size * MIB as u64).unwrap();
    }
    let [one, other] = disks.each_ref().map(|disk| disk.to_str().unwrap());
    let mut arguments: Vec<&str> = mkfs.split_whitespace().collect();
    arguments.extend(["-q", one, other]);
    if run("mkfs.btrfs", &arguments, "").is_none() {
        return;
    }
    let Some(attached) = Attached::new(other) else {
        return;
    };
    let options = format!("{TOP},device={}", attached.0);
    let Some(mounted) = KernelMount::new(&disks[0], &options) else {
        return;
    };
    fs::write(mounted.path().join("file"), text(100_000)).unwrap();
    drop((mounted, attached));
    let results = [one, other].map(|disk| {
        let fs = Btrfs::open(
            Arc::new(DiskFile::open(Path::new(disk)).unwrap()),
            &MemoryBudget::default(),
        )
        .unwrap();
        let mut contents = vec![0; 100_000];
        let read = fs.open("/file").unwrap().read_at(0, &mut contents);
        read.map(|_| contents == text(100_000))
    });
    match message {
        None => assert!(results.into_iter().all(|result| result.unwrap())),
        Some(message) => assert!(
            results
                .into_iter()
                .any(|result| result.is_err_and(|error| error.to_string() == message))
        ),
    }
}

/// Pieces much smaller than an extent cost no more than the whole, and the last bytes no more than the first.
#[rstest]
#[case::compressed("compress-force=zstd", false)]
#[case::many_extents("", true)]
fn small_pieces_cost_no_more_than_the_whole(#[case] mount: &str, #[case] synced: bool) {
    let Some(image) = Image::new("") else { return };
    let Some(mounted) = image.mount(&format!("{TOP},{mount}")) else {
        return;
    };
    let contents = text(8 * MIB);
    let file = File::create(mounted.path().join("file")).unwrap();
    let mut offsets: Vec<usize> = (0..contents.len()).step_by(8192).collect();
    if synced {
        // Backwards: a forward order would be stored in one piece.
        offsets.reverse();
    }
    for offset in offsets {
        file.write_all_at(&contents[offset..offset + 8192], offset as u64)
            .unwrap();
        if synced && offset % 65536 == 0 {
            file.sync_data().unwrap();
        }
    }
    drop((file, mounted));
    let source = image.source();
    let fs = Btrfs::open(
        Arc::clone(&source) as Arc<dyn BlockSource>,
        &MemoryBudget::default(),
    )
    .unwrap();
    let mut file = fs.open("/file").unwrap();
    let before = source.stats().bytes_read;
    let mut piece = [0; 4096];
    for (number, expected) in contents.chunks(4096).enumerate() {
        assert_eq!(
            file.read_at(number as u64 * 4096, &mut piece).unwrap(),
            4096
        );
        assert_eq!(piece, expected);
    }
    let read = source.stats().bytes_read - before;
    assert!(read < 9 * MIB as u64, "{read} bytes were read");
}

#[test]
fn a_damaged_tree_block_is_read_from_its_other_copy() {
    let Some(image) = Image::new("-m dup") else {
        return;
    };
    let fs = Btrfs::open(image.source(), &MemoryBudget::default()).unwrap();
    let root = fs.subvolume(TOP_LEVEL).unwrap().unwrap().root;
    let copies = fs
        .trees
        .chunks
        .locate(root.logical(), fs.trees.node_size)
        .unwrap();
    assert_eq!(copies.len(), 2);
    let file = File::options().write(true).open(image.path()).unwrap();
    file.write_all_at(b"damage", copies[0] + 200).unwrap();
    assert_eq!(
        image.open().unwrap().names("/", 10).unwrap(),
        Vec::<String>::new()
    );
    file.write_all_at(b"damage", copies[1] + 200).unwrap();
    let error = image
        .open()
        .unwrap()
        .names("/", 10)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("has a wrong checksum"), "{error}");
}

#[test]
fn a_file_system_that_was_cut_off_is_damaged() {
    let Some(image) = Image::new("") else { return };
    let file = File::options().write(true).open(image.path()).unwrap();
    file.set_len(200 * MIB as u64).unwrap();
    assert_eq!(
        image.open().err().unwrap().to_string(),
        "btrfs file system: it is 268435456 bytes long, but its partition ends after 209715200"
    );
}
