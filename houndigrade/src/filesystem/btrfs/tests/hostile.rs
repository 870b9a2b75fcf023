//! Damage behind correct checksums: an image may be forged.

use std::io;

use proptest::prelude::*;

use super::*;
use crate::bytes::{array, le32};
use crate::test_disks::random_cases;
use houndigrade_report::Stats;

/// The seed of the fuzz target: a small file system with subvolumes, compressed files and a log, of nodes of 4 KiB.
static SEED: &[u8] = include_bytes!("../../../../fuzz/seeds/btrfs");

/// Bytes in a block of the seed.
const BLOCK: usize = 4096;

/// The seed as a disk: blocks by offset, and zeros between them.
#[derive(Clone)]
struct Disk {
    size: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    fn new() -> Self {
        let (mut at, mut blocks) = (4, BTreeMap::<u64, Vec<u8>>::new());
        while let (Some(offset), Some(length)) = (le32(SEED, at), le32(SEED, at + 4)) {
            let bytes = &SEED[at + 8..at + 8 + length as usize];
            for (number, byte) in bytes.iter().enumerate() {
                let place = offset as usize + number;
                let block = blocks.entry((place - place % BLOCK) as u64);
                block.or_insert_with(|| vec![0; BLOCK])[place % BLOCK] = *byte;
            }
            at += 8 + bytes.len();
        }
        Self {
            size: le32(SEED, 0).unwrap().into(),
            blocks,
        }
    }

    /// Writes `bytes` into a block, and makes its checksum right if it has one.
    fn change(&mut self, block: u64, at: usize, bytes: &[u8]) {
        let block = self.blocks.get_mut(&block).unwrap();
        let checksum = checksum::crc32c(&block[checksum::SIZE..]).to_le_bytes();
        let checked = array(block, 0) == Some(checksum);
        for (place, byte) in block[at..].iter_mut().zip(bytes) {
            *place = *byte;
        }
        if checked {
            let checksum = checksum::crc32c(&block[checksum::SIZE..]).to_le_bytes();
            block[..4].copy_from_slice(&checksum);
        }
    }

    fn open(self) -> Result<Btrfs, FileSystemError> {
        Btrfs::open(Arc::new(self), &MemoryBudget::default())
    }
}

impl BlockSource for Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if offset.saturating_add(buffer.len() as u64) > self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        let first = offset.saturating_sub(BLOCK as u64 - 1);
        for (&at, block) in self.blocks.range(first..end) {
            let (start, until) = (at.max(offset), end.min(at + BLOCK as u64));
            buffer[(start - offset) as usize..(until - offset) as usize]
                .copy_from_slice(&block[(start - at) as usize..(until - at) as usize]);
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Reads the whole tree, within limits: a damaged one may have circles. Returns the number of files read.
fn walk(fs: &Btrfs) -> usize {
    let (mut pending, mut files) = (vec![String::new()], 0);
    for _ in 0..40 {
        let Some(folder) = pending.pop() else { break };
        for name in fs.names(&format!("{folder}/"), 100).unwrap_or_default() {
            let path = format!("{folder}/{name}");
            match fs.file_type(&path) {
                Ok(Some(FileType::Directory)) => pending.push(path),
                Ok(Some(FileType::Symlink)) => drop(fs.link_target(&path)),
                Ok(Some(FileType::File)) => {
                    let mut file = fs.open(&path).unwrap();
                    let end = file.size().saturating_sub(100);
                    let mut piece = [0; 5000];
                    files += usize::from(file.read_at(0, &mut piece).is_ok());
                    let _ = file.read_at(end, &mut piece);
                }
                _ => {}
            }
        }
    }
    files
}

#[test]
fn the_seed_is_whole() {
    let fs = Disk::new().open().unwrap();
    assert!(
        fs.logs.contains_key(&256),
        "its log is that of the subvolume"
    );
    assert_eq!(fs.roots()[0], "/root");
    let root = Root::new(&fs);
    assert_eq!(
        root.head("/root/etc/os-release", 100).unwrap().unwrap(),
        b"ID=rhel\n"
    );
    assert_eq!(
        root.head("/snap/etc/os-release", 100).unwrap().unwrap(),
        b"ID=fedora\n"
    );
    for algorithm in ["zlib", "lzo", "zstd"] {
        let contents = root
            .head(&format!("/{algorithm}"), 100_000)
            .unwrap()
            .unwrap();
        assert_eq!(contents, text(contents.len()), "{algorithm}");
        assert!(contents.len() > 10_000);
    }
    assert!(walk(&fs) > 20);
}

proptest! {
    #![proptest_config(random_cases(60))]

    #[test]
    fn damage_is_an_error(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..BLOCK, prop_oneof![
                any::<u8>().prop_map(|byte| vec![byte]),
                any::<u32>().prop_map(|number| number.to_le_bytes().to_vec()),
                prop_oneof![0..10_u64, Just(u64::MAX), any::<u64>()]
                    .prop_map(|number| number.to_le_bytes().to_vec()),
            ]),
            1..6,
        )
    ) {
        let mut disk = Disk::new();
        let blocks: Vec<u64> = disk.blocks.keys().copied().collect();
        for (block, at, bytes) in changes {
            disk.change(*block.get(&blocks), at, &bytes);
        }
        if let Ok(fs) = disk.open() {
            walk(&fs);
        }
    }
}

/// Fields of the superblock.
#[rstest]
#[case::sectors(0x90, 0, "sectors of 0 bytes; they have 4 to 64 KiB")]
#[case::large_nodes(0x94, 1 << 20, "nodes of 1048576 bytes; they have 4 to 64 KiB")]
#[case::odd_nodes(0x94, 5000, "nodes of 5000 bytes; they have 4 to 64 KiB")]
#[case::chunks(0xa0, 2049, "the superblock has more chunks than it has room for")]
#[case::size(0xd1, 1 << 30, "it is 1073741824 bytes long, but its partition ends after 16777216")]
#[case::root(0x50, 0, "no chunk holds address 0")]
fn geometry_is_checked(#[case] at: usize, #[case] value: u32, #[case] message: &str) {
    let mut disk = Disk::new();
    disk.change(superblock::OFFSET, at, &value.to_le_bytes());
    let error = disk.open().err().unwrap().to_string();
    assert_eq!(error, format!("btrfs file system: {message}"));
}

#[rstest]
#[case::zoned(1 << 12, "btrfs on a zoned device")]
#[case::extent_tree(1 << 13, "btrfs with extent tree v2")]
#[case::stripe_tree(1 << 14, "btrfs with a RAID stripe tree")]
#[case::unknown(1 << 40, "btrfs with features newer than this program")]
fn unknown_features_are_named(#[case] features: u64, #[case] message: &str) {
    let mut disk = Disk::new();
    disk.change(superblock::OFFSET, 0xbc, &features.to_le_bytes());
    let error = disk.open().err().unwrap().to_string();
    assert_eq!(error, format!("unsupported file system: {message}"));
}
