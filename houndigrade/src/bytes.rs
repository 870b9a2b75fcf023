//! Fields at fixed offsets of on-disk structures. A field outside the buffer is `None`, never a panic.

/// Returns the `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(buffer: &[u8], offset: usize) -> Option<[u8; N]> {
    buffer.get(offset..)?.first_chunk().copied()
}

/// Returns the little-endian 16-bit number at `offset`.
pub(crate) fn le16(buffer: &[u8], offset: usize) -> Option<u16> {
    array(buffer, offset).map(u16::from_le_bytes)
}

/// Returns the little-endian 32-bit number at `offset`.
pub(crate) fn le32(buffer: &[u8], offset: usize) -> Option<u32> {
    array(buffer, offset).map(u32::from_le_bytes)
}

/// Returns the little-endian 64-bit number at `offset`.
pub(crate) fn le64(buffer: &[u8], offset: usize) -> Option<u64> {
    array(buffer, offset).map(u64::from_le_bytes)
}

/// Returns the big-endian 16-bit number at `offset`.
pub(crate) fn be16(buffer: &[u8], offset: usize) -> Option<u16> {
    array(buffer, offset).map(u16::from_be_bytes)
}

/// Returns the big-endian 32-bit number at `offset`.
pub(crate) fn be32(buffer: &[u8], offset: usize) -> Option<u32> {
    array(buffer, offset).map(u32::from_be_bytes)
}

/// Returns the big-endian 64-bit number at `offset`.
pub(crate) fn be64(buffer: &[u8], offset: usize) -> Option<u64> {
    array(buffer, offset).map(u64::from_be_bytes)
}
