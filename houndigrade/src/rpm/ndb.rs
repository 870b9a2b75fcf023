//! rpm's own format, `Packages.db`: pages of slots, each with the place of a header.

use super::blob::Span;
use super::cached_file::CachedFile;
use super::{Budget, MAX_FILE, MAX_PACKAGES, Package, RpmError, header};
use crate::bytes::le32;
use crate::filesystem::OpenFile;

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const HEAD_MAGIC: &[u8] = b"BlbS";
const TAIL_MAGIC: &[u8] = b"BlbE";
const PAGE: usize = 4096;
const SLOT: usize = 16;
/// The file's header takes the place of two slots.
const FIRST_SLOT: usize = 32;
/// Headers begin and end at multiples of this.
const BLOCK: u64 = 16;
/// In front of a header: magic, package, generation, length.
const HEAD: u64 = 16;
/// Behind it: checksum, length, magic.
const TAIL: u64 = 12;

/// A used slot, sorted by the place of its header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NdbSlot {
    block: u32,
    blocks: u32,
    package: u32,
}

pub(super) fn packages<'a>(
    file: Box<dyn OpenFile + 'a>,
) -> Result<impl Iterator<Item = Result<Package, RpmError>> + 'a, RpmError> {
    let mut blocks = CachedFile::new(file, MAX_FILE)?;
    let mut budget = Budget::new(blocks.size(), 0);
    let (slots, damage) = slots(&mut blocks)?;
    let package = move |slot: NdbSlot| {
        let mut header = locate(&mut blocks, slot)?;
        budget.package(header.size)?;
        header::read(&mut header)
    };
    // At the end, as nothing follows a final error.
    Ok(slots.into_iter().map(package).chain(damage.map(Err)))
}

/// Returns the used slots, in the order of the file, and the reason why there may be more.
fn slots(blocks: &mut CachedFile<'_>) -> Result<(Vec<NdbSlot>, Option<RpmError>), RpmError> {
    let start: [u8; FIRST_SLOT] = blocks.array(0)?;
    let (version, pages) = (number(&start, 4), number(&start, 12));
    if !start.starts_with(MAGIC) {
        return Err(RpmError::damaged(
            "it does not begin as an ndb database does",
        ));
    }
    if version != 0 {
        return Err(RpmError::Unsupported(format!("version {version} of ndb")));
    }
    if u64::from(pages) * PAGE as u64 > blocks.size() {
        return Err(RpmError::damaged(format!(
            "{pages} pages of slots do not fit into the file"
        )));
    }
    let mut slots = Vec::new();
    let mut damage = None;
    let mut page = [0; PAGE];
    for number in 0..pages {
        blocks.read(u64::from(number) * PAGE as u64, &mut page)?;
        let first = if number == 0 { FIRST_SLOT } else { 0 };
        for bytes in page[first..].chunks_exact(SLOT) {
            match slot(bytes) {
                Ok(slot) => slots.extend(slot),
                Err(error) => damage = damage.or(Some(error)),
            }
            if slots.len() > MAX_PACKAGES {
                return Err(RpmError::Limit {
                    limit: MAX_PACKAGES as u64,
                    of: "packages",
                });
            }
        }
    }
    slots.sort_unstable();
    slots.dedup();
    Ok((slots, damage))
}

/// Parses a slot; `None` if it is free.
fn slot(bytes: &[u8]) -> Result<Option<NdbSlot>, RpmError> {
    if !bytes.starts_with(SLOT_MAGIC) {
        return Err(RpmError::damaged("a slot is overwritten"));
    }
    let slot = NdbSlot {
        package: number(bytes, 4),
        block: number(bytes, 8),
        blocks: number(bytes, 12),
    };
    Ok((slot.block != 0).then_some(slot))
}

/// Returns the header of `slot`. Its checksum is not verified, which would cost reading all of it.
fn locate<'b, 'a>(blocks: &'b mut CachedFile<'a>, slot: NdbSlot) -> Result<Span<'b, 'a>, RpmError> {
    let start = u64::from(slot.block) * BLOCK;
    let head: [u8; HEAD as usize] = blocks.array(start)?;
    let size = u64::from(number(&head, 12));
    let sound = head.starts_with(HEAD_MAGIC)
        && number(&head, 4) == slot.package
        && (HEAD + size + TAIL).div_ceil(BLOCK) == u64::from(slot.blocks);
    let tail: [u8; TAIL as usize] = if sound {
        blocks.array(start + u64::from(slot.blocks) * BLOCK - TAIL)?
    } else {
        [0; TAIL as usize]
    };
    if u64::from(number(&tail, 4)) != size || !tail.ends_with(TAIL_MAGIC) {
        return Err(RpmError::damaged(format!(
            "no header of package {} is at byte {start}",
            slot.package
        )));
    }
    Ok(Span {
        blocks,
        offset: start + HEAD,
        size,
    })
}

/// Returns the little-endian number at `offset` of a buffer that is long enough.
fn number(bytes: &[u8], offset: usize) -> u32 {
    le32(bytes, offset).unwrap_or_default()
}
