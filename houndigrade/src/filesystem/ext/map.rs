//! Where the blocks of a file lie on the disk.

use super::FileSystemError;
use super::extents::Extents;
use super::indirect::Indirect;
use super::inode::ExtInode;
use super::volume::ExtVolume;

/// Blocks that are neighbours in a file, and on the disk too unless they are nowhere there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRun {
    /// How many, at least one.
    pub(super) length: u64,
    /// The first one's number on the disk. `None` for a hole, and for what was allocated and never written: zeros.
    pub(super) at: Option<u64>,
}

impl BlockRun {
    pub(super) fn zeros(length: u64) -> Self {
        Self { length, at: None }
    }

    /// Without its first blocks; `None` if nothing is left.
    fn skip(self, count: u64) -> Option<Self> {
        let length = self.length.checked_sub(count).filter(|&left| left > 0)?;
        let at = self.at.map(|at| at + count);
        Some(Self { length, at })
    }
}

/// The blocks of a file, looked up when they are asked for.
pub(super) struct BlockMap<'a> {
    tree: Tree<'a>,
    /// What was looked up last, and where in the file it begins.
    last: Option<(u64, BlockRun)>,
}

enum Tree<'a> {
    Extents(Extents<'a>),
    Indirect(Indirect<'a>),
}

impl<'a> BlockMap<'a> {
    pub(super) fn of(volume: ExtVolume<'a>, inode: &ExtInode) -> Result<Self, FileSystemError> {
        let tree = if inode.uses_extents() {
            Tree::Extents(Extents::of(volume, inode)?)
        } else {
            Tree::Indirect(Indirect::of(volume, inode))
        };
        Ok(Self { tree, last: None })
    }

    /// The run that begins with the file's block `block`.
    pub(super) fn run(&mut self, block: u64) -> Result<BlockRun, FileSystemError> {
        let known = self
            .last
            .and_then(|(first, run)| run.skip(block.checked_sub(first)?));
        if let Some(run) = known {
            return Ok(run);
        }
        let run = match &mut self.tree {
            Tree::Extents(extents) => extents.run(block)?,
            Tree::Indirect(indirect) => indirect.run(block)?,
        };
        self.last = Some((block, run));
        Ok(run)
    }
}
