//! Descriptors of the blocks in a journal, and their checksums, in the layouts of its features.

use crate::bytes::array;
use crate::filesystem::crc32c::crc32c;

/// Beginning of all blocks of the journal itself: mark, kind, transaction.
const HEADER: usize = 12;
/// Flags of a tag.
const ESCAPED: u16 = 0x1;
const SAME_UUID: u16 = 0x2;
const LAST: u16 = 0x8;

/// The features that change the layout.
#[derive(Clone, Copy, Default)]
pub(super) struct Layout {
    pub(super) is_64bit: bool,
    pub(super) checksum_v2: bool,
    pub(super) checksum_v3: bool,
    /// Checksum of the journal's id, the initial value of all others.
    pub(super) seed: u32,
}

/// A block in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JournalTag {
    /// Number on the disk of the block copied.
    pub(super) block: u64,
    /// The block began with the mark of a journal's block, stored as zeros.
    pub(super) escaped: bool,
    /// Checksum; of the second kind, half of one.
    checksum: u32,
}

impl Layout {
    pub(super) fn has_checksums(self) -> bool {
        self.checksum_v2 || self.checksum_v3
    }

    /// Parses the tags in a descriptor block, in the order of the blocks behind it.
    pub(super) fn tags(self, descriptor: &[u8]) -> Vec<JournalTag> {
        let size = match (self.checksum_v3, self.is_64bit) {
            (true, _) => 16,
            (false, true) => 12,
            (false, false) => 8,
        } + if self.checksum_v2 && !self.checksum_v3 {
            2
        } else {
            0
        };
        let mut tags = Vec::new();
        let mut rest = self.body(descriptor).get(HEADER..).unwrap_or_default();
        while let Some((tag, behind)) = rest.split_at_checked(size) {
            let word = |offset| be32(tag, offset).unwrap_or_default();
            let half = |offset| array(tag, offset).map_or(0, u16::from_be_bytes);
            let flags = half(6);
            let high = if self.is_64bit { word(8) } else { 0 };
            tags.push(JournalTag {
                block: u64::from(word(0)) | u64::from(high) << 32,
                escaped: flags & ESCAPED != 0,
                checksum: if self.checksum_v3 {
                    word(12)
                } else {
                    half(4).into()
                },
            });
            if flags & LAST != 0 {
                break;
            }
            let uuid = if flags & SAME_UUID == 0 { 16 } else { 0 };
            rest = behind.get(uuid..).unwrap_or_default();
        }
        tags
    }

    /// Parses the numbers of blocks in a revoke block.
    pub(super) fn revoked(self, block: &[u8]) -> impl Iterator<Item = u64> {
        let size = if self.is_64bit { 8 } else { 4 };
        let until = be32(block, HEADER).map_or(0, |bytes| bytes as usize);
        let body = self.body(block);
        let numbers = body
            .get(HEADER + 4..until.min(body.len()))
            .unwrap_or_default();
        numbers.chunks_exact(size).map(|number| {
            number
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        })
    }

    /// Returns whether `contents`, as stored in the journal, match the checksum in their tag.
    pub(super) fn fits(self, tag: &JournalTag, sequence: u32, contents: &[u8]) -> bool {
        let checksum = || crc32c(crc32c(self.seed, &sequence.to_be_bytes()), contents);
        if self.checksum_v3 {
            checksum() == tag.checksum
        } else {
            !self.checksum_v2 || checksum() & 0xffff == tag.checksum
        }
    }

    /// Returns whether a descriptor or revoke block matches the checksum at its end.
    pub(super) fn tail_fits(self, block: &[u8]) -> bool {
        self.fits_at(block, block.len().saturating_sub(4))
    }

    /// Returns whether a commit block matches the checksum in it.
    pub(super) fn commit_fits(self, block: &[u8]) -> bool {
        self.fits_at(block, 0x10)
    }

    fn fits_at(self, block: &[u8], at: usize) -> bool {
        if !self.has_checksums() {
            return true;
        }
        let Some((before, rest)) = block.split_at_checked(at) else {
            return false;
        };
        let behind = rest.get(4..).unwrap_or_default();
        let checksum = crc32c(crc32c(crc32c(self.seed, before), &[0; 4]), behind);
        be32(block, at) == Some(checksum)
    }

    /// Returns a descriptor or revoke block without the checksum at its end.
    fn body(self, block: &[u8]) -> &[u8] {
        let tail = if self.has_checksums() { 4 } else { 0 };
        &block[..block.len().saturating_sub(tail)]
    }
}

/// Returns the big-endian 32-bit number at `offset`: journals have no others, unlike the rest of the file system.
pub(super) fn be32(buffer: &[u8], offset: usize) -> Option<u32> {
    array(buffer, offset).map(u32::from_be_bytes)
}
