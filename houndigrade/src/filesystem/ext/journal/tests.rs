//! Logs written by hand, block by block, with contents that are rare in real ones.

use std::sync::Arc;

use rstest::rstest;

use super::super::overlay::JournalOverlay;
use super::*;
use crate::filesystem::MemoryBudget;
use crate::test_disks::MemoryDisk;

const BLOCK: usize = 1024;
/// First block and length of the journal: a superblock and a log of eleven blocks.
const JOURNAL: usize = 10;
const LENGTH: u32 = 12;
const FIRST_SEQUENCE: u32 = u32::MAX - 1;

/// A disk of 1 KiB blocks with nothing but a journal. Block 30 and those behind it are there to be logged.
struct Disk {
    bytes: Vec<u8>,
    features: u32,
    next: u32,
    sequence: u32,
}

impl Disk {
    /// Makes a disk with a log that begins at its block `start`.
    fn new(features: u32, start: u32) -> Self {
        let mut disk = Self {
            bytes: vec![0; 64 * BLOCK],
            features,
            next: start,
            sequence: FIRST_SEQUENCE,
        };
        // Inodes, blocks, first block, blocks and inodes of a group, mark, revision, size of inodes, features, inode of the journal.
        for (offset, value) in [
            (0, 16),
            (0x4, 64),
            (0x14, 1),
            (0x20, 8192),
            (0x28, 16),
            (0x38, 0xef53),
            (0x4c, 1),
            (0x58, 128),
            (0x5c, 4),
            (0x60, 6),
            (0xe0, 8),
        ] {
            disk.le32(BLOCK + offset, value);
        }
        disk.le32(2 * BLOCK + 8, 3);
        let inode = 3 * BLOCK + 7 * 128;
        disk.le32(inode, 0x8000);
        disk.le32(inode + 4, LENGTH * BLOCK as u32);
        for i in 0..12 {
            disk.le32(inode + 0x28 + 4 * i, (JOURNAL + i) as u32);
        }
        let journal = JOURNAL * BLOCK;
        disk.header(journal, SUPERBLOCK_V2, 0);
        for (offset, value) in [
            (0xc, BLOCK as u32),
            (0x10, LENGTH),
            (0x14, 1),
            (0x18, FIRST_SEQUENCE),
            (0x1c, start),
            (0x28, features),
        ] {
            disk.be32(journal + offset, value);
        }
        disk.bytes[journal + 0x50] = 4;
        let checksum = crc32c(!0, &disk.bytes[journal..journal + 1024]);
        if disk.has_checksums() {
            disk.be32(journal + 0xfc, checksum);
        }
        disk
    }

    fn log(self, blocks: &[u64]) -> Self {
        self.log_as(blocks, false)
    }

    /// Logs the blocks, each filled with the number of the journal's block it gets. An escaped one begins with zeros.
    fn log_as(mut self, blocks: &[u64], escaped: bool) -> Self {
        let descriptor = self.step(DESCRIPTOR);
        let mut tag = descriptor + 12;
        for (i, &block) in blocks.iter().enumerate() {
            let number = self.next as u8;
            let at = self.step(0);
            self.bytes[at..at + BLOCK].fill(number);
            if escaped {
                self.bytes[at..at + 4].fill(0);
            }
            let sequence = self.sequence.to_be_bytes();
            let checksum = crc32c(crc32c(self.seed(), &sequence), &self.bytes[at..at + BLOCK]);
            let last = if i + 1 == blocks.len() { 8 } else { 0 };
            let same_uuid = if i == 0 { 0 } else { 2 };
            self.be32(tag, block as u32);
            self.be32(tag + 4, last | same_uuid | u32::from(escaped));
            tag += 8;
            if self.features & (IS_64BIT | CHECKSUM_V3) != 0 {
                self.be32(tag, (block >> 32) as u32);
                tag += 4;
            }
            if self.features & CHECKSUM_V3 != 0 {
                self.be32(tag, checksum);
                tag += 4;
            } else if self.features & CHECKSUM_V2 != 0 {
                let tag_start = tag - if self.features & IS_64BIT != 0 { 12 } else { 8 };
                self.bytes[tag_start + 4..tag_start + 6]
                    .copy_from_slice(&(checksum as u16).to_be_bytes());
                tag += 2;
            }
            tag += if i == 0 { 16 } else { 0 };
        }
        self.seal(descriptor, BLOCK - 4)
    }

    fn revoke(mut self, blocks: &[u64]) -> Self {
        let at = self.step(REVOKE);
        let size = if self.features & IS_64BIT != 0 { 8 } else { 4 };
        self.be32(at + 12, (16 + size * blocks.len()) as u32);
        for (i, block) in blocks.iter().enumerate() {
            let number = &block.to_be_bytes()[8 - size..];
            self.bytes[at + 16 + size * i..][..size].copy_from_slice(number);
        }
        self.seal(at, BLOCK - 4)
    }

    fn commit(mut self) -> Self {
        let at = self.step(COMMIT);
        self.sequence = self.sequence.wrapping_add(1);
        self.seal(at, 0x10)
    }

    /// Returns the numbers that fill blocks 30 to 39 after recovery.
    fn recovered(self) -> Result<Vec<u8>, FileSystemError> {
        let (overlay, _) = JournalOverlay::recover(
            "ext4",
            Arc::new(MemoryDisk(self.bytes)),
            &MemoryBudget::default(),
        )?;
        let mut blocks = vec![0; 10 * BLOCK];
        overlay.read_at(30 * BLOCK as u64, &mut blocks)?;
        Ok(blocks.chunks(BLOCK).map(|block| block[BLOCK - 1]).collect())
    }

    fn step(&mut self, kind: u32) -> usize {
        let at = (JOURNAL + self.next as usize) * BLOCK;
        self.next = if self.next == LENGTH - 1 {
            1
        } else {
            self.next + 1
        };
        if kind != 0 {
            self.header(at, kind, self.sequence);
        }
        at
    }

    fn header(&mut self, at: usize, kind: u32, sequence: u32) {
        self.bytes[at..at + 4].copy_from_slice(&MAGIC);
        self.be32(at + 4, kind);
        self.be32(at + 8, sequence);
    }

    fn seal(mut self, block: usize, at: usize) -> Self {
        if self.has_checksums() {
            let checksum = crc32c(self.seed(), &self.bytes[block..block + BLOCK]);
            self.be32(block + at, checksum);
        }
        self
    }

    fn has_checksums(&self) -> bool {
        self.features & (CHECKSUM_V2 | CHECKSUM_V3) != 0
    }

    /// Returns the seed of checksums; the journal's id is zeros.
    fn seed(&self) -> u32 {
        crc32c(!0, &[0; 16])
    }

    fn be32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    fn le32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

const PLAIN: u32 = 1;
const ALL: [u32; 6] = [
    PLAIN,
    PLAIN | IS_64BIT,
    PLAIN | CHECKSUM_V2,
    PLAIN | CHECKSUM_V2 | IS_64BIT,
    PLAIN | CHECKSUM_V3,
    PLAIN | CHECKSUM_V3 | IS_64BIT,
];

/// Each with a log at its beginning, and with one that goes on at the beginning; the numbers are those of the first.
#[rstest]
#[case::one_transaction(|disk: Disk| disk.log(&[30, 32]).commit(), &[2, 0, 3])]
#[case::the_last_copy_counts(|disk: Disk| disk.log(&[30]).commit().log(&[30]).commit(), &[5])]
#[case::not_committed(|disk: Disk| disk.log(&[30]).commit().log(&[30, 31]), &[2])]
#[case::revoked_later(|disk: Disk| disk.log(&[30, 31]).commit().revoke(&[30]).commit(), &[0, 3])]
#[case::revoked_at_once(|disk: Disk| disk.revoke(&[30]).log(&[30, 31]).commit(), &[0, 4])]
#[case::logged_after_the_revoke(|disk: Disk| disk.log(&[30]).revoke(&[30]).commit().log(&[30]).commit(), &[6])]
#[case::revoke_not_committed(|disk: Disk| disk.log(&[30]).commit().revoke(&[30]), &[2])]
#[case::several_descriptors(|disk: Disk| disk.log(&[30]).log(&[31]).commit(), &[2, 4])]
#[case::full(|disk: Disk| disk.log(&[30, 31, 32, 33, 34, 35, 36, 37, 38]).commit(), &[2, 3, 4, 5, 6, 7, 8, 9, 10])]
#[case::beyond_the_disk(|disk: Disk| disk.log(&[30, u64::MAX - 1]).commit(), &[2])]
#[case::nothing(|disk: Disk| disk, &[])]
fn logs_are_replayed(#[case] write: fn(Disk) -> Disk, #[case] expected: &[u8]) {
    for features in ALL {
        for start in [1, 7, 11] {
            let shifted = expected.iter().map(|&number| match number {
                0 => 0,
                number => (u32::from(number) + start - 2) as u8 % (LENGTH as u8 - 1) + 1,
            });
            let mut shifted: Vec<_> = shifted.collect();
            shifted.resize(10, 0);
            let recovered = write(Disk::new(features, start)).recovered().unwrap();
            assert_eq!(recovered, shifted, "features {features:#x}, start {start}");
        }
    }
}

#[test]
fn a_block_that_looks_like_the_journals_own_gets_its_mark_back() {
    let disk = Disk::new(PLAIN, 1).log_as(&[30], true).commit();
    let (overlay, _) = JournalOverlay::recover(
        "ext4",
        Arc::new(MemoryDisk(disk.bytes)),
        &MemoryBudget::default(),
    )
    .unwrap();
    let mut head = [0; 6];
    overlay.read_at(30 * BLOCK as u64, &mut head).unwrap();
    assert_eq!(head, [0xc0, 0x3b, 0x39, 0x98, 2, 2]);
}

#[test]
fn what_is_replaced_has_to_fit_into_memory() {
    let disk = Disk::new(PLAIN, 1).log(&[30, 31, 33]).commit();
    let recover =
        |memory| JournalOverlay::recover("ext4", Arc::new(MemoryDisk(disk.bytes.clone())), &memory);
    let error = recover(MemoryBudget::new(64)).err().unwrap();
    assert!(error.to_string().starts_with("memory limit: "), "{error}");
    assert!(recover(MemoryBudget::new(1024)).is_ok());
}

#[test]
fn reads_may_begin_and_end_anywhere() {
    let disk = Disk::new(PLAIN, 1).log(&[30, 31, 33]).commit();
    let mut whole = disk.bytes.clone();
    for (block, number) in [(30, 2), (31, 3), (33, 4)] {
        whole[block * BLOCK..(block + 1) * BLOCK].fill(number);
    }
    let (overlay, _) = JournalOverlay::recover(
        "ext4",
        Arc::new(MemoryDisk(disk.bytes)),
        &MemoryBudget::default(),
    )
    .unwrap();
    for (start, end) in [(29, 35), (30, 31), (32, 33), (33, 40)] {
        for (before, behind) in [(0, 0), (1, 1), (1000, 3), (0, 500)] {
            let range = start * BLOCK - before..end * BLOCK + behind;
            let mut part = vec![0; range.len()];
            overlay.read_at(range.start as u64, &mut part).unwrap();
            assert!(part == whole[range.clone()], "{range:?}");
        }
    }
    let error = overlay
        .read_at(64 * BLOCK as u64 - 1, &mut [0; 2])
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// Flips a bit of a log's block.
fn flip(mut disk: Disk, block: usize, offset: usize) -> Disk {
    disk.bytes[(JOURNAL + block) * BLOCK + offset] ^= 1;
    disk
}

#[rstest]
#[case::descriptor(
    1,
    15,
    "transaction 4294967294 of its journal does not fit its checksum"
)]
#[case::revoke(
    3,
    19,
    "transaction 4294967294 of its journal does not fit its checksum"
)]
#[case::commit(
    4,
    60,
    "transaction 4294967294 of its journal does not fit its checksum"
)]
#[case::copy(2, 9, "the journal's copy of block 30 does not fit its checksum")]
#[case::superblock(0, 70, "its journal has a superblock that does not fit its checksum")]
fn what_does_not_fit_its_checksum_is_an_error(
    #[case] block: usize,
    #[case] offset: usize,
    #[case] expected: &str,
) {
    for features in [PLAIN | CHECKSUM_V2, PLAIN | CHECKSUM_V3] {
        let disk = Disk::new(features, 1).log(&[30]).revoke(&[31]).commit();
        let error = flip(disk, block, offset).recovered().unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn an_asynchronous_commit_may_be_cut_short() {
    let disk = Disk::new(PLAIN | CHECKSUM_V3 | ASYNC_COMMIT, 1)
        .log(&[30])
        .commit()
        .log(&[30])
        .commit();
    assert_eq!(flip(disk, 6, 60).recovered().unwrap()[0], 2);
}

#[rstest]
#[case::fast_commits(
    0x28,
    FAST_COMMIT,
    "unsupported file system: ext4 with a dirty journal of fast commits"
)]
#[case::unknown(0x28, 0x40, "ext4 file system: its journal has unknown features, 0x40")]
#[case::too_long(0x10, LENGTH + 1, "ext4 file system: its journal is not where its superblock says")]
#[case::no_room(
    0x10,
    1,
    "ext4 file system: its journal is not where its superblock says"
)]
#[case::start(
    0x1c,
    LENGTH,
    "ext4 file system: its journal is not where its superblock says"
)]
#[case::first(
    0x14,
    0,
    "ext4 file system: its journal is not where its superblock says"
)]
#[case::other_blocks(0xc, 4096, "ext4 file system: its journal has no superblock")]
#[case::other_kind(0x4, 9, "ext4 file system: its journal has no superblock")]
fn a_superblock_that_makes_no_sense(
    #[case] offset: usize,
    #[case] value: u32,
    #[case] error: &str,
) {
    let mut disk = Disk::new(PLAIN, 1);
    disk.be32(JOURNAL * BLOCK + offset, value);
    assert_eq!(disk.recovered().unwrap_err().to_string(), error);
}

#[rstest]
#[case(5, 4, true)]
#[case(4, 4, false)]
#[case(4, 5, false)]
#[case(1, u32::MAX, true)]
#[case(u32::MAX, 1, false)]
fn transactions_have_an_order(#[case] a: u32, #[case] b: u32, #[case] expected: bool) {
    assert_eq!(later(a, b), expected);
}
