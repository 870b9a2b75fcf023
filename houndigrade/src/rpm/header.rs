//! The header of a package, as a database stores it: an index of tags, then their data. Only the index and the data of a few
//! tags are read.

use super::blob::Blob;
use super::signature::{self, KeyId};
use base64::prelude::BASE64_STANDARD;
use base64::{DecodeError, Engine};

use super::{Package, RpmError};
use crate::bytes::array;

/// Most tags, as rpm has it.
const MAX_ENTRIES: u32 = 0xffff;
/// Most bytes of data, as rpm has it.
const MAX_DATA: u32 = 0x0fff_ffff;
/// Bytes of an entry of the index.
const ENTRY: usize = 16;
/// Largest signature read. RSA takes half a KiB, the largest of the algorithms after it 50 KiB.
const MAX_SIGNATURE: u32 = 64 * 1024;
/// Most bytes of a name.
const MAX_NAME: u32 = 256;

const NAME: u32 = 1000;
/// Signatures of package and header that are OpenPGP packets: `SIGPGP`, `SIGGPG`, `DSAHEADER`, `RSAHEADER`.
const BINARY_SIGNATURES: [u32; 4] = [259, 262, 267, 268];
/// Signatures of package format 6, in Base64: `OPENPGP`.
const TEXT_SIGNATURES: u32 = 278;

const STRING: u32 = 6;
const BINARY: u32 = 7;
const STRING_ARRAY: u32 = 8;

/// One entry of the index.
#[derive(Clone, Copy)]
struct IndexEntry {
    tag: u32,
    kind: u32,
    offset: u32,
    count: u32,
}

/// Reads name and signatures of a header.
pub(super) fn read(blob: &mut dyn Blob) -> Result<Package, RpmError> {
    let mut intro = [0; 8];
    blob.read_at(0, &mut intro)?;
    let (entries, data) = (be32(&intro, 0), be32(&intro, 4));
    let start = 8 + u64::from(entries) * ENTRY as u64;
    if entries == 0
        || entries > MAX_ENTRIES
        || data > MAX_DATA
        || start + u64::from(data) != blob.size()
    {
        return Err(RpmError::damaged(format!(
            "a header of {} bytes claims {entries} tags and {data} bytes of data",
            blob.size()
        )));
    }
    let mut index = vec![0; entries as usize * ENTRY];
    blob.read_at(8, &mut index)?;
    let index: Vec<IndexEntry> = index.chunks_exact(ENTRY).map(entry).collect();

    let mut wanted: Vec<IndexEntry> = index.iter().copied().filter(is_wanted).collect();
    // In the order of the data: a blob in pieces is read front to back.
    wanted.sort_by_key(|entry| entry.offset);
    let mut package = Package {
        name: String::new(),
        issuers: Vec::new(),
    };
    for entry in wanted {
        let end = end(&index, entry, data);
        let mut bytes = |length: u32| {
            let mut bytes = vec![0; length as usize];
            blob.read_at(start + u64::from(entry.offset), &mut bytes)?;
            Ok::<_, RpmError>(bytes)
        };
        match (entry.tag, entry.kind) {
            (NAME, STRING) => {
                let name = bytes((end - entry.offset).min(MAX_NAME))?;
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                package.name = String::from_utf8_lossy(name).into_owned();
            }
            (TEXT_SIGNATURES, STRING_ARRAY) => {
                let texts = bytes(limited(end - entry.offset)?)?;
                let texts = texts.split(|&byte| byte == 0);
                for text in texts.take(entry.count.try_into().unwrap_or(usize::MAX)) {
                    let packets = decode(text).map_err(|error| {
                        RpmError::damaged(format!("tag {} of a header: {error}", entry.tag))
                    })?;
                    package.issuers.extend(issuers(&packets, entry.tag)?);
                }
            }
            (_, BINARY) if entry.tag != NAME && entry.tag != TEXT_SIGNATURES => {
                let packets = bytes(limited(entry.count)?)?;
                package.issuers.extend(issuers(&packets, entry.tag)?);
            }
            (tag, kind) => {
                return Err(RpmError::damaged(format!(
                    "tag {tag} of a header has type {kind}"
                )));
            }
        }
    }
    Ok(package)
}

fn entry(bytes: &[u8]) -> IndexEntry {
    IndexEntry {
        tag: be32(bytes, 0),
        kind: be32(bytes, 4),
        offset: be32(bytes, 8),
        count: be32(bytes, 12),
    }
}

fn is_wanted(entry: &IndexEntry) -> bool {
    matches!(entry.tag, NAME | TEXT_SIGNATURES) || BINARY_SIGNATURES.contains(&entry.tag)
}

/// Returns the beginning of the next tag's data, or the end of all data.
fn end(index: &[IndexEntry], entry: IndexEntry, data: u32) -> u32 {
    let offsets = index.iter().map(|other| other.offset);
    offsets
        .filter(|&offset| offset > entry.offset)
        .min()
        .unwrap_or(data)
        .min(data)
        .max(entry.offset)
}

fn limited(size: u32) -> Result<u32, RpmError> {
    if size > MAX_SIGNATURE {
        return Err(RpmError::damaged(format!("a signature has {size} bytes")));
    }
    Ok(size)
}

/// Decodes Base64 that rpm has wrapped into lines.
fn decode(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let is_digit = |byte: &&u8| !matches!(byte, b'\r' | b'\n');
    let digits: Vec<u8> = text.iter().filter(is_digit).copied().collect();
    BASE64_STANDARD.decode(digits)
}

fn issuers(packets: &[u8], tag: u32) -> Result<Vec<KeyId>, RpmError> {
    signature::issuers(packets)
        .map_err(|malformed| RpmError::damaged(format!("tag {tag} of a header: {malformed}")))
}

/// Returns the big-endian number at `offset` of a buffer that is long enough.
fn be32(bytes: &[u8], offset: usize) -> u32 {
    array(bytes, offset).map_or(0, u32::from_be_bytes)
}
