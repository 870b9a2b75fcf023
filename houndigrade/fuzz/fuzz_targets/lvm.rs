//! LVM2: labels, metadata areas and their text, and reads through the volumes that they describe.
//!
//! The input is a physical volume whose checksums are made right: the fuzzer can't.
#![no_main]

use std::sync::Arc;

use houndigrade::volume::{self, Member};
use houndigrade_fuzz::InputDisk;
use libfuzzer_sys::fuzz_target;

/// Positions of the label and of the first metadata area, as the tools choose them.
const LABEL: usize = 512;
const AREA: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    if seal(&mut data).is_none() {
        return;
    }
    let member = Member {
        name: "disk".into(),
        source: Arc::new(InputDisk::new(&data)),
    };
    for volume in volume::assemble(vec![member]).volumes {
        let Ok(source) = volume.source else { continue };
        let mut buffer = vec![0; 10_000];
        for offset in [
            0,
            511,
            source.size() / 2,
            source.size().saturating_sub(10_000),
        ] {
            let _ = source.read_at(offset, &mut buffer);
        }
    }
});

/// Corrects all checksums.
fn seal(data: &mut [u8]) -> Option<()> {
    let offset = u64::from_le_bytes(*data.get(AREA + 40..)?.first_chunk()?);
    let size = u64::from_le_bytes(*data.get(AREA + 48..)?.first_chunk()?);
    let (offset, size) = (usize::try_from(offset).ok()?, usize::try_from(size).ok()?);
    // A text that reaches over the end of the input is left as it is: only its header is looked at.
    let start = AREA.checked_add(offset)?;
    if let Some(text) = start.checked_add(size).and_then(|end| data.get(start..end)) {
        let sum = checksum(text);
        put(data, AREA + 56, sum)?;
    }
    let sum = checksum(data.get(AREA + 4..AREA + 512)?);
    put(data, AREA, sum)?;
    let sum = checksum(data.get(LABEL + 20..LABEL + 512)?);
    put(data, LABEL + 16, sum)
}

fn put(data: &mut [u8], at: usize, number: u32) -> Option<()> {
    data.get_mut(at..at + 4)?
        .copy_from_slice(&number.to_le_bytes());
    Some(())
}

/// LVM2's CRC-32.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(sum & 1))
        })
    })
}
