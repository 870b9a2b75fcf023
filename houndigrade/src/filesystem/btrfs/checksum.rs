//! CRC-32C: what btrfs checks its metadata with, and hashes names with.

const TABLE: [u32; 256] = table();

/// Checksum of a superblock or a tree block.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !update(!0, bytes)
}

/// Offset of the key of the directory item that holds `name`.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    update(!1, name).into()
}

/// The register after `bytes`, with none of the usual inversions.
fn update(register: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(register, |register, &byte| {
        TABLE[usize::from(register as u8 ^ byte)] ^ (register >> 8)
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= 0x82f6_3b78;
            }
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
}
