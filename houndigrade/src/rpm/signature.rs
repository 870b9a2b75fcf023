//! Issuers of OpenPGP signatures (RFC 9580).

use std::fmt;

use crate::bytes::array;

/// The last 8 bytes of a key's fingerprint, as `rpm` prints them; the first 8 of a version 6 key's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// Returns the key id written as 16 hexadecimal digits.
    pub const fn from_hex(id: u64) -> Self {
        Self(id.to_be_bytes())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The bytes are not a whole OpenPGP packet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an OpenPGP signature")]
pub(super) struct SignatureError;

const SIGNATURE_PACKET: u8 = 2;
const ISSUER_KEY_ID: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// Returns the keys that the signatures in `packets` claim as theirs: none, one, or one several times. Nothing is verified.
pub(super) fn issuers(mut packets: &[u8]) -> Result<Vec<KeyId>, SignatureError> {
    let mut issuers = Vec::new();
    while !packets.is_empty() {
        let (tag, body, rest) = packet(packets).ok_or(SignatureError)?;
        if tag == SIGNATURE_PACKET {
            signature(body, &mut issuers).ok_or(SignatureError)?;
        }
        packets = rest;
    }
    Ok(issuers)
}

/// Splits off the first packet: returns tag, body and the rest.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, length, rest) = if first & 0x40 != 0 {
        let (length, rest) = new_length(rest)?;
        (first & 0x3f, length, rest)
    } else {
        let (length, rest) = match first & 3 {
            0 => (usize::from(*rest.first()?), rest.get(1..)?),
            1 => (usize::from(be16(rest)?), rest.get(2..)?),
            2 => (be32(rest)?, rest.get(4..)?),
            // Up to the end.
            _ => (rest.len(), rest),
        };
        (first >> 2 & 0xf, length, rest)
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((tag, body, rest))
}

/// Parses a length in today's format. Signatures never come in parts of unknown number.
fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes.first()? {
        224..=254 => None,
        _ => length(bytes),
    }
}

/// Parses a length of one, two or five bytes. Returns it and the rest.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    Some(match first {
        0..192 => (usize::from(first), rest),
        192..255 => {
            let (&second, rest) = rest.split_first()?;
            (
                ((usize::from(first) - 192) << 8) + usize::from(second) + 192,
                rest,
            )
        }
        255 => (be32(rest)?, rest.get(4..)?),
    })
}

/// Adds the issuers of one signature; none for an unknown version.
fn signature(body: &[u8], issuers: &mut Vec<KeyId>) -> Option<()> {
    match *body.first()? {
        2 | 3 => issuers.push(KeyId(array(body, 7)?)),
        4 => {
            let (hashed, rest) = body
                .get(6..)?
                .split_at_checked(be16(body.get(4..)?)?.into())?;
            let unhashed = rest.get(2..)?.get(..be16(rest)?.into())?;
            subpackets(hashed, issuers)?;
            subpackets(unhashed, issuers)?;
        }
        6 => {
            let (hashed, rest) = body.get(8..)?.split_at_checked(be32(body.get(4..)?)?)?;
            let unhashed = rest.get(4..)?.get(..be32(rest)?)?;
            subpackets(hashed, issuers)?;
            subpackets(unhashed, issuers)?;
        }
        _ => {}
    }
    Some(())
}

fn subpackets(mut bytes: &[u8], issuers: &mut Vec<KeyId>) -> Option<()> {
    while !bytes.is_empty() {
        let (length, rest) = length(bytes)?;
        let (subpacket, rest) = rest.split_at_checked(length)?;
        let (&kind, body) = subpacket.split_first()?;
        // The highest bit is for unknown kinds only.
        match (kind & 0x7f, body) {
            (ISSUER_KEY_ID, id) => issuers.push(KeyId(id.try_into().ok()?)),
            (ISSUER_FINGERPRINT, [4, fingerprint @ ..]) => {
                issuers.push(KeyId(*fingerprint.last_chunk()?));
            }
            (ISSUER_FINGERPRINT, [5 | 6, fingerprint @ ..]) => {
                issuers.push(KeyId(*fingerprint.first_chunk()?));
            }
            _ => {}
        }
        bytes = rest;
    }
    Some(())
}

fn be16(bytes: &[u8]) -> Option<u16> {
    array(bytes, 0).map(u16::from_be_bytes)
}

fn be32(bytes: &[u8]) -> Option<usize> {
    array(bytes, 0).map(u32::from_be_bytes)?.try_into().ok()
}
