//! The checksum of XFS: CRC-32 with Castagnoli's polynomial, over a structure with zeros in the place of the checksum.

use crate::bytes::le32;
use crate::filesystem::crc32c::crc32c;

/// A checksum in progress.
#[derive(Clone, Copy)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) fn new() -> Self {
        Self(!0)
    }

    pub(super) fn add(self, bytes: &[u8]) -> Self {
        Self(crc32c(self.0, bytes))
    }

    pub(super) fn sum(self) -> u32 {
        !self.0
    }
}

/// Returns the checksum of a structure that stores it at `at`; of a shorter one, of all its bytes.
pub(super) fn of(structure: &[u8], at: usize) -> u32 {
    let before = &structure[..at.min(structure.len())];
    let after = structure.get(at + 4..).unwrap_or_default();
    Crc32c::new().add(before).add(&[0; 4]).add(after).sum()
}

/// Returns whether a structure fits the checksum that it stores at `at`. All do for the fuzz targets: damage shall get further.
pub(super) fn fits(structure: &[u8], at: usize) -> bool {
    let stored = le32(structure, at);
    cfg!(fuzzing) || stored.is_some_and(|stored| stored == of(structure, at))
}

/// Stores the checksum at `at`, if the structure reaches that far.
pub(super) fn store(structure: &mut [u8], at: usize) {
    let sum = of(structure, at);
    if let Some(field) = structure.get_mut(at..at + 4) {
        field.copy_from_slice(&sum.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_check_value() {
        assert_eq!(Crc32c::new().add(b"1234").add(b"56789").sum(), 0xe306_9283);
    }

    #[test]
    fn its_own_place_counts_as_zeros() {
        let mut structure = *b"abcd____efgh";
        store(&mut structure, 4);
        assert_eq!(structure[4..8], of(b"abcd\0\0\0\0efgh", 4).to_le_bytes());
        assert!(fits(&structure, 4) && !fits(&structure, 0) && !fits(&structure, 10));
    }
}
