//! Maps of ext2 and ext3: numbers of blocks, and of blocks of numbers.

use std::rc::Rc;

use super::FileSystemError;
use super::inode::ExtInode;
use super::volume::ExtVolume;
use crate::filesystem::extent_tree::BlockRun;

/// Numbers in the inode of the first blocks.
const DIRECT: u64 = 12;
/// Numbers of a block of numbers, of a block of such blocks, and of a block of those.
const LEVELS: u32 = 3;

/// The block numbers of a file. Zero is the number of a hole.
pub(super) struct Indirect<'a> {
    volume: ExtVolume<'a>,
    inode: u32,
    /// The numbers in the inode.
    root: Vec<u32>,
    /// The block that was read last at each level, with its number.
    read: [Option<(u32, Rc<Vec<u32>>)>; LEVELS as usize],
}

impl<'a> Indirect<'a> {
    pub(super) fn open(volume: ExtVolume<'a>, inode: &ExtInode) -> Self {
        Self {
            volume,
            inode: inode.number,
            root: numbers(inode.map()),
            read: Default::default(),
        }
    }

    /// Returns the run that begins with the file's block `block`.
    pub(super) fn run(&mut self, block: u64) -> Result<BlockRun, FileSystemError> {
        if block < DIRECT {
            return self.run_in(&self.root[block as usize..DIRECT as usize]);
        }
        let per_block = self.volume.block_size() / 4;
        let mut rest = block - DIRECT;
        for level in 1..=LEVELS {
            let mut span = per_block.pow(level);
            if rest >= span {
                rest -= span;
                continue;
            }
            let mut number = self.root[(DIRECT as usize - 1) + level as usize];
            for below in (0..level).rev() {
                if number == 0 {
                    return Ok(BlockRun::zeros(span - rest));
                }
                let table = self.table(number, below as usize)?;
                span /= per_block;
                let index = (rest / span) as usize;
                rest %= span;
                if below == 0 {
                    return self.run_in(&table[index..]);
                }
                number = table[index];
            }
        }
        // Beyond the largest file.
        Ok(BlockRun::zeros(u64::MAX - block))
    }

    /// Returns the run at the beginning of `numbers`.
    fn run_in(&self, numbers: &[u32]) -> Result<BlockRun, FileSystemError> {
        let first = numbers.first().copied().unwrap_or_default();
        let step = u32::from(first != 0);
        let expected = (0..).map(|i| first.checked_add(i * step));
        let together = numbers.iter().zip(expected);
        let length = together
            .take_while(|(number, expected)| Some(**number) == *expected)
            .count() as u64;
        if first == 0 {
            return Ok(BlockRun::zeros(length));
        }
        if !self.volume.has(first.into(), length) {
            return Err(self.volume.damaged(format!(
                "inode {} has block {first}, which is beyond its end",
                self.inode
            )));
        }
        let at = Some(first.into());
        Ok(BlockRun { length, at })
    }

    fn table(&mut self, number: u32, level: usize) -> Result<Rc<Vec<u32>>, FileSystemError> {
        if let Some((_, table)) = self.read[level].as_ref().filter(|(at, _)| *at == number) {
            return Ok(Rc::clone(table));
        }
        let table = Rc::new(numbers(&self.volume.block(number.into())?));
        self.read[level] = Some((number, Rc::clone(&table)));
        Ok(table)
    }
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().copied().map(u32::from_le_bytes).collect()
}
