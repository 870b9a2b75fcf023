//! Block groups, for their tables of inodes alone.

use super::FileSystemError;
use super::volume::ExtVolume;
use crate::bytes::{array, le32};
use crate::filesystem::crc32c::crc32c;

/// Offset of the checksum in a descriptor.
const CHECKSUM: usize = 0x1e;

/// Returns the first block of the table with the inodes of `group`.
pub(super) fn inode_table(volume: ExtVolume, group: u32) -> Result<u64, FileSystemError> {
    let superblock = volume.superblock;
    let size = superblock.descriptor_size();
    let block = superblock.descriptor_block(group);
    let index = u64::from(group) % (volume.block_size() / size);
    let damaged = |what| volume.damaged(format!("the descriptor of group {group} {what}"));
    if !volume.has(block, 1) {
        return Err(damaged("is beyond its end"));
    }
    let mut descriptor = vec![0; size as usize];
    let at = block * volume.block_size() + index * size;
    volume.disk.read_at(at, &mut descriptor)?;

    if superblock.has_checksums() {
        let stated = array(&descriptor, CHECKSUM).map(u16::from_le_bytes);
        descriptor[CHECKSUM..CHECKSUM + 2].fill(0);
        let seed = crc32c(superblock.checksum_seed(), &group.to_le_bytes());
        if stated != Some(crc32c(seed, &descriptor) as u16) {
            return Err(damaged("does not fit its checksum"));
        }
    }
    // Short descriptors have no high half.
    let half = |offset| u64::from(le32(&descriptor, offset).unwrap_or_default());
    Ok(half(0x8) | half(0x28) << 32)
}
