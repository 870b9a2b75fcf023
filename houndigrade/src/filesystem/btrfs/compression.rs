//! Decoding of compressed extents. Nothing grows beyond the length that the extent claims, which is bounded.

use std::io::Read;

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::{damaged, unsupported};
use crate::bytes::le32;
use crate::filesystem::FileSystemError;

/// Linux writes frames with windows of at most 128 KiB.
const MAX_WINDOW: u64 = 128 * 1024;

/// Decodes `data` to `length` bytes. As Linux does, a short result is filled with zeros and a long one cut.
/// `sector_size` is that of the file system: LZO comes in pieces of it.
///
/// # Errors
/// If `data` is no stream of the algorithm.
pub(super) fn decode(
    algorithm: u8,
    data: &[u8],
    length: usize,
    sector_size: usize,
) -> Result<Vec<u8>, FileSystemError> {
    let mut decoded = Vec::with_capacity(length);
    let complete = match algorithm {
        1 => fill(ZlibDecoder::new(data), &mut decoded, length),
        2 => lzo(data, &mut decoded, length, sector_size),
        3 => StreamingDecoder::new_with_max_window_size(data, MAX_WINDOW)
            .ok()
            .and_then(|decoder| fill(decoder, &mut decoded, length)),
        _ => return unsupported("btrfs with an unknown compression"),
    };
    if complete.is_none() {
        return damaged("a compressed extent can't be decoded");
    }
    decoded.resize(length, 0);
    Ok(decoded)
}

fn fill(decoder: impl Read, decoded: &mut Vec<u8>, length: usize) -> Option<()> {
    decoder.take(length as u64).read_to_end(decoded).ok()?;
    Some(())
}

/// Decodes LZO: the total length, then segments of a length and a stream of a sector. No length crosses the end of a sector.
fn lzo(data: &[u8], decoded: &mut Vec<u8>, length: usize, sector_size: usize) -> Option<()> {
    const LENGTH: usize = 4;
    let data = data.get(..le32(data, 0)? as usize)?;
    let mut sector = vec![0; sector_size];
    let mut at = LENGTH;
    while at < data.len() && decoded.len() < length {
        let rest = sector_size - at % sector_size;
        if rest < LENGTH {
            at += rest;
            continue;
        }
        let segment = le32(data, at)? as usize;
        at += LENGTH;
        let stream = data.get(at..at.checked_add(segment)?)?;
        let count = lzokay::decompress::decompress(stream, &mut sector).ok()?;
        decoded.extend_from_slice(sector.get(..count)?);
        at += segment;
    }
    Some(())
}
