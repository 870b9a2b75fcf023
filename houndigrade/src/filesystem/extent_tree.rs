//! Trees of extents, as ext4 and XFS have them: from the blocks of a file to those of the disk.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::FileSystemError;

/// Adjacent blocks of a file that are adjacent on the disk, or nowhere there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockRun {
    /// Number of blocks, at least one.
    pub(super) length: u64,
    /// The first one's number on the disk. `None`, which reads as zeros, for holes and blocks that were never written.
    pub(super) at: Option<u64>,
}

impl BlockRun {
    pub(super) fn zeros(length: u64) -> Self {
        Self { length, at: None }
    }

    /// Returns the run without its first blocks; `None` if nothing is left.
    pub(super) fn skip(self, count: u64) -> Option<Self> {
        let length = self.length.checked_sub(count).filter(|&left| left > 0)?;
        let at = self.at.map(|at| at + count);
        Some(Self { length, at })
    }
}

/// A node of a tree.
pub(super) struct ExtentNode {
    /// Depth of the tree below: 0 for a node with extents.
    pub(super) depth: usize,
    /// In the order of the file, without overlaps.
    pub(super) entries: Vec<ExtentEntry>,
}

/// An extent; or in inner nodes a child, as an extent of unknown length.
pub(super) struct ExtentEntry {
    pub(super) logical: u64,
    pub(super) length: u64,
    pub(super) physical: u64,
    pub(super) written: bool,
}

impl ExtentNode {
    /// Returns the node, unless its entries overlap or are not in order.
    pub(super) fn new(depth: usize, entries: Vec<ExtentEntry>) -> Option<Self> {
        let in_order = entries.is_sorted_by(|a, b| a.logical + a.length <= b.logical);
        in_order.then_some(Self { depth, entries })
    }
}

/// The nodes of a tree that lie in blocks of the disk.
pub(super) trait ExtentBlocks {
    /// Reads and checks the node in block `number`, with so many levels below.
    fn node(&self, number: u64, depth: usize) -> Result<ExtentNode, FileSystemError>;
}

/// The extents of a file, looked up on demand.
pub(super) struct ExtentTree<B> {
    blocks: B,
    root: Rc<ExtentNode>,
    /// The block that was read last at each depth, with its number.
    read: BTreeMap<usize, (u64, Rc<ExtentNode>)>,
}

impl<B: ExtentBlocks> ExtentTree<B> {
    pub(super) fn new(blocks: B, root: ExtentNode) -> Self {
        Self {
            blocks,
            root: Rc::new(root),
            read: BTreeMap::new(),
        }
    }

    /// Returns the run that begins with the file's block `block`.
    pub(super) fn run(&mut self, block: u64) -> Result<BlockRun, FileSystemError> {
        let mut node = Rc::clone(&self.root);
        // The end of the branch.
        let mut end = u64::MAX;
        loop {
            let after = node.entries.partition_point(|entry| entry.logical <= block);
            if let Some(next) = node.entries.get(after) {
                end = end.min(next.logical);
            }
            let entry = after.checked_sub(1).and_then(|at| node.entries.get(at));
            let Some(entry) = entry else {
                return Ok(BlockRun::zeros(end - block));
            };
            if node.depth > 0 {
                node = self.child(entry.physical, node.depth - 1)?;
                continue;
            }
            let within = block - entry.logical;
            return Ok(match entry.length.checked_sub(within) {
                None | Some(0) => BlockRun::zeros(end - block),
                Some(left) => BlockRun {
                    length: left.min(end - block),
                    at: entry.written.then_some(entry.physical + within),
                },
            });
        }
    }

    fn child(&mut self, number: u64, depth: usize) -> Result<Rc<ExtentNode>, FileSystemError> {
        if let Some((_, node)) = self.read.get(&depth).filter(|(at, _)| *at == number) {
            return Ok(Rc::clone(node));
        }
        let node = Rc::new(self.blocks.node(number, depth)?);
        self.read.insert(depth, (number, Rc::clone(&node)));
        Ok(node)
    }
}
