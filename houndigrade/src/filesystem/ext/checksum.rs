//! The checksum of ext journals before CRC-32C, without the usual final inversion.

/// Returns the CRC-32 of journals until Linux 3.5, with the most significant bit first.
pub(super) fn crc32_be(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, &byte| {
        crc << 8 ^ CRC32_BE[(crc >> 24 ^ u32::from(byte)) as usize]
    })
}

const CRC32_BE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogues, of CRC-32/MPEG-2.
    #[test]
    fn agrees_with_the_published_check_value() {
        assert_eq!(crc32_be(!0, b"123456789"), 0x0376_e6e7);
    }
}
