//! Maps of ext4: trees of extents.

use std::rc::Rc;

use super::FileSystemError;
use super::inode::ExtInode;
use super::map::BlockRun;
use super::volume::ExtVolume;
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;

/// Linux allows no deeper trees.
const MAX_DEPTH: usize = 5;
const MAGIC: u16 = 0xf30a;
/// Size of the header of a node, and of each entry.
const ENTRY: usize = 12;
/// An extent longer than this is allocated and not yet written; its length is the excess.
const MAX_WRITTEN: u64 = 0x8000;

/// The extents of a file.
pub(super) struct Extents<'a> {
    volume: ExtVolume<'a>,
    inode: u32,
    checksum_seed: u32,
    root: Rc<ExtentNode>,
    /// The block that was read last at each depth, with its number.
    read: [Option<(u64, Rc<ExtentNode>)>; MAX_DEPTH],
}

struct ExtentNode {
    /// Depth of the tree below: 0 for a node with extents.
    depth: usize,
    /// In the order of the file, without overlaps.
    entries: Vec<ExtentEntry>,
}

/// An extent; or in inner nodes a child, as an extent of unknown length.
struct ExtentEntry {
    logical: u64,
    length: u64,
    physical: u64,
    written: bool,
}

impl<'a> Extents<'a> {
    pub(super) fn open(volume: ExtVolume<'a>, inode: &ExtInode) -> Result<Self, FileSystemError> {
        let root = ExtentNode::parse(inode.map(), volume);
        let root = root.ok_or_else(|| contradiction(volume, inode.number))?;
        Ok(Self {
            volume,
            inode: inode.number,
            checksum_seed: inode.checksum_seed,
            root: Rc::new(root),
            read: Default::default(),
        })
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

    /// Reads the node in block `number`.
    fn child(&mut self, number: u64, depth: usize) -> Result<Rc<ExtentNode>, FileSystemError> {
        if let Some((_, node)) = self.read[depth].as_ref().filter(|(at, _)| *at == number) {
            return Ok(Rc::clone(node));
        }
        let bytes = self.volume.block(number)?;
        let node = ExtentNode::parse(&bytes, self.volume).filter(|node| node.depth == depth);
        let node = node.ok_or_else(|| contradiction(self.volume, self.inode))?;
        if self.volume.superblock.has_checksums() && !self.fits_its_checksum(&bytes) {
            let what = format!(
                "block {number} of the extents of inode {} does not fit its checksum",
                self.inode
            );
            return Err(self.volume.damaged(what));
        }
        let node = Rc::new(node);
        self.read[depth] = Some((number, Rc::clone(&node)));
        Ok(node)
    }

    /// Checks the checksum, behind the last entry that there is room for.
    fn fits_its_checksum(&self, node: &[u8]) -> bool {
        let room = array(node, 4).map_or(0, u16::from_le_bytes);
        let (entries, tail) = node.split_at(ENTRY + ENTRY * usize::from(room));
        le32(tail, 0) == Some(crc32c(self.checksum_seed, entries))
    }
}

impl ExtentNode {
    /// Parses a node; `None` if it contradicts itself.
    fn parse(bytes: &[u8], volume: ExtVolume) -> Option<Self> {
        let half = |offset| array(bytes, offset).map(u16::from_le_bytes);
        let (count, room, depth) = (half(2)?.into(), half(4)?.into(), half(6)?.into());
        let fits = count <= room && ENTRY + ENTRY * room <= bytes.len();
        if half(0)? != MAGIC || !fits || depth > MAX_DEPTH || (depth > 0 && count == 0) {
            return None;
        }
        let parse = if depth == 0 {
            ExtentEntry::extent
        } else {
            ExtentEntry::child
        };
        let entries = bytes.chunks_exact(ENTRY).skip(1).take(count).map(parse);
        let entries = entries.collect::<Option<Vec<_>>>()?;
        let in_order = entries.is_sorted_by(|a, b| a.logical + a.length <= b.logical);
        let on_disk = entries
            .iter()
            .all(|entry| volume.has(entry.physical, entry.length));
        (in_order && on_disk).then_some(Self { depth, entries })
    }
}

impl ExtentEntry {
    fn extent(bytes: &[u8]) -> Option<Self> {
        let half = |offset| array(bytes, offset).map(|half| u64::from(u16::from_le_bytes(half)));
        let length = half(4)?;
        let written = length <= MAX_WRITTEN;
        Some(Self {
            logical: le32(bytes, 0)?.into(),
            length: if written {
                length
            } else {
                length - MAX_WRITTEN
            },
            physical: u64::from(le32(bytes, 8)?) | half(6)? << 32,
            written,
        })
        .filter(|extent| extent.length > 0)
    }

    fn child(bytes: &[u8]) -> Option<Self> {
        let high = array(bytes, 8).map(u16::from_le_bytes)?;
        Some(Self {
            logical: le32(bytes, 0)?.into(),
            length: 1,
            physical: u64::from(le32(bytes, 4)?) | u64::from(high) << 32,
            written: true,
        })
    }
}

fn contradiction(volume: ExtVolume, inode: u32) -> FileSystemError {
    volume.damaged(format!(
        "inode {inode} has an extent tree that contradicts itself"
    ))
}
