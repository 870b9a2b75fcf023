//! Maps of ext4: trees of extents.

use super::FileSystemError;
use super::inode::ExtInode;
use super::volume::ExtVolume;
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;
use crate::filesystem::extent_tree::{ExtentBlocks, ExtentEntry, ExtentNode, ExtentTree};

/// Linux allows no deeper trees.
const MAX_DEPTH: usize = 5;
const MAGIC: u16 = 0xf30a;
/// Size of the header of a node, and of each entry.
const ENTRY: usize = 12;
/// An extent longer than this is allocated and not yet written; its length is the excess.
const MAX_WRITTEN: u64 = 0x8000;

/// The extents of a file.
pub(super) type Extents<'a> = ExtentTree<ExtentsOfInode<'a>>;

/// The nodes of an inode's tree.
pub(super) struct ExtentsOfInode<'a> {
    volume: ExtVolume<'a>,
    inode: u32,
    checksum_seed: u32,
}

pub(super) fn open<'a>(
    volume: ExtVolume<'a>,
    inode: &ExtInode,
) -> Result<Extents<'a>, FileSystemError> {
    let root = parse(inode.map(), volume);
    let root = root.ok_or_else(|| contradiction(volume, inode.number))?;
    let blocks = ExtentsOfInode {
        volume,
        inode: inode.number,
        checksum_seed: inode.checksum_seed,
    };
    Ok(ExtentTree::new(blocks, root))
}

impl ExtentBlocks for ExtentsOfInode<'_> {
    fn node(&self, number: u64, depth: usize) -> Result<ExtentNode, FileSystemError> {
        let bytes = self.volume.block(number)?;
        let node = parse(&bytes, self.volume).filter(|node| node.depth == depth);
        let node = node.ok_or_else(|| contradiction(self.volume, self.inode))?;
        if self.volume.superblock.has_checksums() && !self.fits_its_checksum(&bytes) {
            let what = format!(
                "block {number} of the extents of inode {} does not fit its checksum",
                self.inode
            );
            return Err(self.volume.damaged(what));
        }
        Ok(node)
    }
}

impl ExtentsOfInode<'_> {
    /// Checks the checksum, behind the last entry that there is room for.
    fn fits_its_checksum(&self, node: &[u8]) -> bool {
        let room = array(node, 4).map_or(0, u16::from_le_bytes);
        let (entries, tail) = node.split_at(ENTRY + ENTRY * usize::from(room));
        le32(tail, 0) == Some(crc32c(self.checksum_seed, entries))
    }
}

/// Parses a node; `None` if it contradicts itself.
fn parse(bytes: &[u8], volume: ExtVolume) -> Option<ExtentNode> {
    let half = |offset| array(bytes, offset).map(u16::from_le_bytes);
    let (count, room, depth) = (half(2)?.into(), half(4)?.into(), half(6)?.into());
    let fits = count <= room && ENTRY + ENTRY * room <= bytes.len();
    if half(0)? != MAGIC || !fits || depth > MAX_DEPTH || (depth > 0 && count == 0) {
        return None;
    }
    let entry = if depth == 0 { extent } else { child };
    let entries = bytes.chunks_exact(ENTRY).skip(1).take(count).map(entry);
    let entries = entries.collect::<Option<Vec<_>>>()?;
    let on_disk = entries
        .iter()
        .all(|entry| volume.has(entry.physical, entry.length));
    ExtentNode::new(depth, entries).filter(|_| on_disk)
}

fn extent(bytes: &[u8]) -> Option<ExtentEntry> {
    let half = |offset| array(bytes, offset).map(|half| u64::from(u16::from_le_bytes(half)));
    let length = half(4)?;
    let written = length <= MAX_WRITTEN;
    Some(ExtentEntry {
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

fn child(bytes: &[u8]) -> Option<ExtentEntry> {
    let high = array(bytes, 8).map(u16::from_le_bytes)?;
    Some(ExtentEntry {
        logical: le32(bytes, 0)?.into(),
        length: 1,
        physical: u64::from(le32(bytes, 4)?) | u64::from(high) << 32,
        written: true,
    })
}

fn contradiction(volume: ExtVolume, inode: u32) -> FileSystemError {
    volume.damaged(format!(
        "inode {inode} has an extent tree that contradicts itself"
    ))
}
