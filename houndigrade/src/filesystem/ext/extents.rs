//! Where the blocks of a file lie on the disk: extents, or before ext4 numbers in blocks of numbers.

use super::Error;
use super::superblock::Superblock;
use crate::bytes::{array, le32};
use crate::source::BlockSource;

/// Blocks of a file that is mapped: 16 GiB in blocks of 4 KiB. The largest journal `mke2fs` makes has 10 GiB.
const MAX_BLOCKS: u64 = 4 << 20;
/// Runs of neighbouring blocks. A journal is allocated at once and has a few.
const MAX_RUNS: usize = 256 * 1024;
/// Blocks read to map it.
const MAX_NODES: u32 = 32 * 1024;
/// Linux allows no deeper trees.
const MAX_DEPTH: u16 = 5;

const USES_EXTENTS: u32 = 0x8_0000;
const MAGIC: [u8; 2] = 0xf30a_u16.to_le_bytes();
/// An extent longer than this is allocated and not written yet.
const MAX_WRITTEN: u16 = 0x8000;

/// The blocks of a file.
pub(super) struct Extents<'a> {
    partition: &'a dyn BlockSource,
    superblock: &'a Superblock,
    /// Length of the file in blocks.
    pub(super) length: u64,
    runs: Vec<Run>,
    nodes: u32,
}

/// Blocks that are neighbours both in the file and on the disk.
struct Run {
    logical: u64,
    physical: u64,
    length: u64,
}

impl<'a> Extents<'a> {
    /// Maps the file with this inode.
    pub(super) fn of(
        inode: &[u8; 128],
        superblock: &'a Superblock,
        partition: &'a dyn BlockSource,
    ) -> Result<Self, Error> {
        let field = |offset| le32(inode, offset).unwrap_or_default();
        let size = u64::from(field(0x4)) | u64::from(field(0x6c)) << 32;
        let mut extents = Self {
            partition,
            superblock,
            length: size / superblock.block_size(),
            runs: Vec::new(),
            nodes: 0,
        };
        if extents.length > MAX_BLOCKS {
            return Err(Error::Limit {
                path: "the journal".into(),
                limit: MAX_BLOCKS as usize,
                of: "blocks",
            });
        }
        let root = &inode[0x28..0x64];
        if field(0x20) & USES_EXTENTS != 0 {
            extents.tree(root, None)?;
        } else {
            extents.numbers(root)?;
        }
        Ok(extents)
    }

    /// Number on the disk of the file's block `logical`.
    pub(super) fn block(&self, logical: u64) -> Result<u64, Error> {
        let after = self.runs.partition_point(|run| run.logical <= logical);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.filter(|run| logical - run.logical < run.length)
            .map(|run| run.physical + (logical - run.logical))
            .ok_or_else(|| self.damaged(&format!("has no block {logical}")))
    }

    fn tree(&mut self, node: &[u8], expected_depth: Option<u16>) -> Result<(), Error> {
        let half = |offset| array(node, offset).map_or(0, u16::from_le_bytes);
        let depth = half(6);
        if array(node, 0) != Some(MAGIC)
            || depth > MAX_DEPTH
            || expected_depth.is_some_and(|expected| depth != expected)
        {
            return Err(self.damaged("has an extent tree that contradicts itself"));
        }
        for entry in node[12..].chunks_exact(12).take(half(2).into()) {
            let half = |offset| u64::from(array(entry, offset).map_or(0, u16::from_le_bytes));
            let word = |offset| u64::from(le32(entry, offset).unwrap_or_default());
            if depth == 0 {
                let length = match half(4) {
                    length if length > u64::from(MAX_WRITTEN) => length - u64::from(MAX_WRITTEN),
                    length => length,
                };
                self.push(word(0), word(8) | half(6) << 32, length)?;
            } else {
                let child = self.node(word(4) | half(8) << 32)?;
                self.tree(&child, Some(depth - 1))?;
            }
        }
        Ok(())
    }

    /// Twelve numbers of blocks, and one each of a block of numbers, a block of blocks of numbers, and so on.
    fn numbers(&mut self, root: &[u8]) -> Result<(), Error> {
        let mut logical = 0;
        for (i, number) in (0..).zip(root.chunks_exact(4)) {
            self.number(number, i32::max(0, i - 11), &mut logical)?;
        }
        Ok(())
    }

    fn number(&mut self, number: &[u8], levels: i32, logical: &mut u64) -> Result<(), Error> {
        if *logical >= self.length {
            return Ok(());
        }
        let number = le32(number, 0).unwrap_or_default().into();
        if number == 0 {
            return Err(self.damaged(&format!("has no block {logical}")));
        }
        if levels == 0 {
            self.push(*logical, number, 1)?;
            *logical += 1;
            return Ok(());
        }
        for number in self.node(number)?.chunks_exact(4) {
            self.number(number, levels - 1, logical)?;
        }
        Ok(())
    }

    fn push(&mut self, logical: u64, physical: u64, length: u64) -> Result<(), Error> {
        if let Some(last) = self.runs.last_mut() {
            if last.logical + last.length > logical {
                return Err(self.damaged("has blocks in no order"));
            }
            if last.logical + last.length == logical && last.physical + last.length == physical {
                last.length += length;
                return Ok(());
            }
        }
        if self.runs.len() == MAX_RUNS {
            return Err(self.damaged(&format!("is in more than {MAX_RUNS} pieces")));
        }
        self.runs.push(Run {
            logical,
            physical,
            length,
        });
        Ok(())
    }

    fn node(&mut self, block: u64) -> Result<Vec<u8>, Error> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.damaged(&format!("is mapped by more than {MAX_NODES} blocks")));
        }
        let size = self.superblock.block_size();
        let mut node = vec![0; size as usize];
        self.partition
            .read_at(block.saturating_mul(size), &mut node)?;
        Ok(node)
    }

    fn damaged(&self, what: &str) -> Error {
        self.superblock.damaged(format!("its journal {what}"))
    }
}
