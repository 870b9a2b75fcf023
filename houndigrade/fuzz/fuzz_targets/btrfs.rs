//! btrfs with subvolumes, compressed files and a log. Checksums of changed blocks are corrected: otherwise no change would be read.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock};

use houndigrade::MemoryBudget;
use houndigrade::filesystem::{self, Content};
use houndigrade::report::Stats;
use houndigrade::source::BlockSource;
use houndigrade_fuzz::walk;
use libfuzzer_sys::fuzz_target;

const BLOCK: u64 = 4096;

/// Size of the disk, and its blocks that are not zeros, by offset.
static SEED: LazyLock<(u64, BTreeMap<u64, Vec<u8>>)> = LazyLock::new(|| {
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes.try_into().unwrap()));
    let (size, mut rest) = include_bytes!("../seeds/btrfs").split_at(4);
    let mut blocks = BTreeMap::new();
    while !rest.is_empty() {
        let (start, length) = (number(&rest[..4]), number(&rest[4..8]) as usize);
        for (place, byte) in (start..).zip(&rest[8..8 + length]) {
            let block = blocks.entry(place - place % BLOCK);
            block.or_insert_with(|| vec![0; BLOCK as usize])[(place % BLOCK) as usize] = *byte;
        }
        rest = &rest[8 + length..];
    }
    (number(size), blocks)
});

/// The seed, with some blocks changed.
struct Disk(BTreeMap<u64, Vec<u8>>);

impl Disk {
    /// `input` is any number of changes: one byte of block, two of position, one of length, and up to 16 of contents.
    fn new(mut input: &[u8]) -> Self {
        let mut changed = BTreeMap::new();
        while let [which, low, high, length, rest @ ..] = input {
            let length = usize::from(length % 16 + 1).min(rest.len());
            let place = usize::from(u16::from_le_bytes([*low, *high])) % (BLOCK as usize - 16);
            let seed = SEED.1.iter().nth(usize::from(*which) % SEED.1.len());
            let (at, block) = seed.unwrap();
            let block = changed.entry(*at).or_insert_with(|| block.clone());
            block[place..place + length].copy_from_slice(&rest[..length]);
            input = &rest[length..];
        }
        for (at, block) in &mut changed {
            let seed = &SEED.1[at];
            if seed[..4] == crc32c(&seed[32..]) {
                let checksum = crc32c(&block[32..]);
                block[..4].copy_from_slice(&checksum);
            }
        }
        Self(changed)
    }
}

impl BlockSource for Disk {
    fn size(&self) -> u64 {
        SEED.0
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(buffer.len() as u64);
        if end > SEED.0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.fill(0);
        for (at, seed) in SEED.1.range(offset.saturating_sub(BLOCK - 1)..end) {
            let block = self.0.get(at).unwrap_or(seed);
            let (start, until) = ((*at).max(offset), (at + BLOCK).min(end));
            buffer[(start - offset) as usize..(until - offset) as usize]
                .copy_from_slice(&block[(start - at) as usize..(until - at) as usize]);
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let register = bytes.iter().fold(!0_u32, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |register, _| {
            register >> 1 ^ if register & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    });
    (!register).to_le_bytes()
}

fuzz_target!(|input: &[u8]| {
    let disk = Arc::new(Disk::new(input));
    if let Ok(fs) = filesystem::open(Content::Known("btrfs"), disk, &MemoryBudget::default()) {
        let _ = fs.roots();
        walk(&*fs);
    }
});
