//! CRC-32 with Castagnoli's polynomial, least significant bit first: the checksum of ext, XFS and btrfs.

const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Returns the register after `bytes`. Initial value and final inversion differ between the file systems.
pub(super) fn crc32c(register: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(register, |register, &byte| {
        register >> 8 ^ TABLE[usize::from(register as u8 ^ byte)]
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            register = register >> 1 ^ if register & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_check_value() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }
}
