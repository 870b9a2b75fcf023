//! CRC-32C: the checksum of btrfs's metadata, and its hash of names.

use crate::bytes::array;
use crate::filesystem::crc32c;

/// Bytes at the beginning of the superblock and of every tree block that are reserved for its checksum.
pub(super) const SIZE: usize = 32;

/// Returns whether the checksum of a superblock or tree block is that of its contents.
pub(super) fn is_right(block: &[u8]) -> bool {
    let contents = block.get(SIZE..).unwrap_or_default();
    array(block, 0) == Some(crc32c(contents).to_le_bytes())
}

/// Returns the checksum of a superblock or a tree block.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !crc32c::crc32c(!0, bytes)
}

/// Returns the offset in the key of the directory item with `name`.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    crc32c::crc32c(!1, name).into()
}
