//! CRC-32C: what btrfs checks its metadata with, and hashes names with.

use crate::filesystem::crc32c;

/// Checksum of a superblock or a tree block.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !crc32c::crc32c(!0, bytes)
}

/// Offset of the key of the directory item that holds `name`.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    crc32c::crc32c(!1, name).into()
}
