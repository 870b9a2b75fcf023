//! The map of a file's blocks to blocks of the disk.

use super::FileSystemError;
use super::extents::{self, Extents};
use super::indirect::Indirect;
use super::inode::ExtInode;
use super::volume::ExtVolume;
use crate::filesystem::extent_tree::BlockRun;

/// The blocks of a file, looked up on demand.
pub(super) struct BlockMap<'a> {
    tree: Tree<'a>,
    /// Beginning in the file and run of the last look-up.
    last: Option<(u64, BlockRun)>,
}

enum Tree<'a> {
    Extents(Extents<'a>),
    Indirect(Indirect<'a>),
}

impl<'a> BlockMap<'a> {
    pub(super) fn open(volume: ExtVolume<'a>, inode: &ExtInode) -> Result<Self, FileSystemError> {
        let tree = if inode.uses_extents() {
            Tree::Extents(extents::open(volume, inode)?)
        } else {
            Tree::Indirect(Indirect::open(volume, inode))
        };
        Ok(Self { tree, last: None })
    }

    /// Returns the run that begins with the file's block `block`.
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
