//! rpm's databases: SQLite, with a write-ahead log behind it. The first two bytes say where the log begins, in units of 512 bytes.
//!
//! The log's checksums are made right: the fuzzer can't.
#![no_main]

use houndigrade::rpm::DatabaseFormat;
use houndigrade_fuzz::{Bytes, read_packages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[high, low], data)) = data.split_first_chunk() else {
        return;
    };
    let at = usize::from(u16::from_be_bytes([high, low])) * 512;
    match data.split_at_checked(at) {
        Some((file, wal)) if at > 0 => {
            let mut wal = wal.to_vec();
            seal(&mut wal);
            read_packages(DatabaseFormat::Sqlite, Bytes(file), Some(Bytes(&wal)));
        }
        _ => read_packages(DatabaseFormat::Sqlite, Bytes(data), None),
    }
});

/// Corrects all checksums.
fn seal(wal: &mut [u8]) {
    let Some((header, frames)) = wal.split_at_mut_checked(32) else {
        return;
    };
    let mut sum = (0, 0);
    checksum(&mut sum, &header[..24]);
    write(&mut header[24..], sum);
    let page = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let Ok(frame @ 25..) = usize::try_from(page.saturating_add(24)) else {
        return;
    };
    for frame in frames.chunks_exact_mut(frame) {
        checksum(&mut sum, &frame[..8]);
        checksum(&mut sum, &frame[24..]);
        write(&mut frame[16..], sum);
    }
}

/// In the byte order of the logs that this machine writes; another one's are not repaired.
fn checksum(sum: &mut (u32, u32), bytes: &[u8]) {
    for pair in bytes.chunks_exact(8) {
        let word =
            |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        sum.0 = sum.0.wrapping_add(word(0)).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(word(4)).wrapping_add(sum.0);
    }
}

fn write(to: &mut [u8], sum: (u32, u32)) {
    to[..4].copy_from_slice(&sum.0.to_be_bytes());
    to[4..8].copy_from_slice(&sum.1.to_be_bytes());
}
