//! The places of a volume's bytes: by `lvs`, and by our reader.

use std::collections::BTreeMap;

use super::tools::Tools;
use super::{Assembled, open};
use crate::test_disks::MIB;

/// Each block of a disk has its own number.
const BLOCK: u64 = 4096;

/// Disk and byte.
pub(super) type At = (usize, u64);

/// Segments as `lvs` prints them.
struct LvsSegment {
    kind: String,
    stripe: u64,
    ranges: Vec<(String, u64, u64)>,
}

/// The tools' report on all groups.
pub(super) struct LvsReport {
    /// Disk, first byte of the first extent, and bytes of an extent.
    physical: BTreeMap<String, (usize, u64, u64)>,
    logical: BTreeMap<String, Vec<LvsSegment>>,
}

impl LvsReport {
    pub(super) fn new(tools: &Tools) -> Self {
        let mut physical = BTreeMap::new();
        for line in rows(
            tools,
            "pvs --units b --nosuffix -o pv_name,pe_start,vg_extent_size",
        ) {
            let [device, start, extent] = line.as_slice() else {
                panic!("{line:?}")
            };
            let disk = (0..)
                .find(|&number| tools.device(number) == device)
                .unwrap();
            physical.insert(device.clone(), (disk, number(start), number(extent)));
        }
        let mut logical: BTreeMap<_, Vec<(u64, LvsSegment)>> = BTreeMap::new();
        let command = "lvs -a --segments --units b --nosuffix -o lv_name,segtype,seg_start_pe,stripe_size,seg_pe_ranges";
        for line in rows(tools, command) {
            let [name, kind, start, stripe, ranges] = line.as_slice() else {
                panic!("{line:?}")
            };
            let segment = LvsSegment {
                kind: kind.clone(),
                stripe: number(stripe),
                ranges: ranges.split_whitespace().map(range).collect(),
            };
            let name = name.trim_matches(['[', ']']).to_owned();
            logical
                .entry(name)
                .or_default()
                .push((number(start), segment));
        }
        let ordered = |mut segments: Vec<(u64, LvsSegment)>| {
            segments.sort_by_key(|(start, _)| *start);
            segments.into_iter().map(|(_, segment)| segment).collect()
        };
        Self {
            physical,
            logical: logical
                .into_iter()
                .map(|(name, segments)| (name, ordered(segments)))
                .collect(),
        }
    }

    /// Returns the place of each block of a volume.
    pub(super) fn blocks(&self, volume: &str) -> Vec<At> {
        let segments = self.logical[volume].iter();
        segments
            .flat_map(|segment| self.blocks_of_segment(segment))
            .collect()
    }

    fn blocks_of_segment(&self, segment: &LvsSegment) -> Vec<At> {
        let mut areas: Vec<Vec<At>> = segment
            .ranges
            .iter()
            .map(|range| self.blocks_of_range(range))
            .collect();
        if !matches!(segment.kind.as_str(), "striped" | "raid0") {
            return areas.swap_remove(0);
        }
        let chunk = (segment.stripe / BLOCK) as usize;
        let mut blocks = Vec::new();
        for turn in 0..areas[0].len() / chunk {
            for area in &areas {
                blocks.extend(&area[turn * chunk..][..chunk]);
            }
        }
        blocks
    }

    fn blocks_of_range(&self, (name, first, last): &(String, u64, u64)) -> Vec<At> {
        let extent = self.physical.values().next().unwrap().2;
        let bytes = first * extent..(last + 1) * extent;
        match self.physical.get(name) {
            Some((disk, start, _)) => bytes
                .step_by(BLOCK as usize)
                .map(|byte| (*disk, start + byte))
                .collect(),
            None => self.blocks(name)[(bytes.start / BLOCK) as usize..(bytes.end / BLOCK) as usize]
                .to_vec(),
        }
    }

    /// Fills all extents of all disks, so that [`assert_same`](Self::assert_same) sees the place of each read.
    pub(super) fn paint(&self, tools: &Tools) {
        for &(disk, start, _) in self.physical.values() {
            let size = tools.file(disk).metadata().unwrap().len();
            // A second metadata area may be at the end of a disk.
            let extents = start..size.saturating_sub(MIB as u64);
            let blocks = extents.clone().step_by(BLOCK as usize);
            let bytes: Vec<u8> = blocks.flat_map(|byte| mark((disk, byte))).collect();
            tools.write(disk, start, &bytes);
        }
    }

    /// Reads the volume of group `vg` in one go and in odd pieces; fails unless every block is from where `lvs` says.
    pub(super) fn assert_same(&self, assembled: &Assembled, group: &str, volume: &str) {
        let expected: Vec<u8> = self.blocks(volume).into_iter().flat_map(mark).collect();
        let source = open(assembled, &format!("/dev/{group}/{volume}"));
        assert_eq!(source.size(), expected.len() as u64, "{volume}");
        let mut whole = vec![0; expected.len()];
        source.read_at(0, &mut whole).unwrap();
        let differs = (0..).zip(
            whole
                .chunks(BLOCK as usize)
                .zip(expected.chunks(BLOCK as usize)),
        );
        for (block, (found, expected)) in differs {
            assert_eq!(found[..16], expected[..16], "{volume}: block {block}");
        }
        for (offset, length) in [
            (1, 1),
            (65_535, 2),
            (131_000, 400_000),
            (expected.len() - 3, 3),
        ] {
            let mut piece = vec![0; length];
            source.read_at(offset as u64, &mut piece).unwrap();
            assert!(
                piece == expected[offset..][..length],
                "{volume}: {length} bytes at {offset}"
            );
        }
        let beyond = source
            .read_at(expected.len() as u64 - 1, &mut [0; 2])
            .unwrap_err();
        assert_eq!(beyond.kind(), std::io::ErrorKind::UnexpectedEof);
    }

    /// Writes the bytes of a volume to where they belong on the disks.
    pub(super) fn write(&self, tools: &Tools, volume: &str, bytes: &[u8]) {
        for ((disk, offset), block) in self
            .blocks(volume)
            .into_iter()
            .zip(bytes.chunks(BLOCK as usize))
        {
            tools.write(disk, offset, block);
        }
    }
}

/// Returns a block filled with its address.
fn mark((disk, byte): At) -> Vec<u8> {
    let mark = [(disk as u64).to_le_bytes(), byte.to_le_bytes()].concat();
    mark.repeat((BLOCK / 16) as usize)
}

fn rows(tools: &Tools, command: &str) -> Vec<Vec<String>> {
    let output = tools.lvm(&format!("{command} --noheadings --separator ;"));
    let row = |line: &str| line.trim().split(';').map(str::to_owned).collect();
    output.lines().map(row).collect()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

/// Parses `/dev/loop0:3-10`.
fn range(text: &str) -> (String, u64, u64) {
    let (name, extents) = text.rsplit_once(':').unwrap();
    let (first, last) = extents.split_once('-').unwrap();
    (name.to_owned(), number(first), number(last))
}
