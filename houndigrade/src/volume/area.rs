//! A metadata area: a header, and behind it a ring of texts; the newest describes the group.

use std::io;

use super::checksum;
use super::label::SECTOR;
use crate::bytes::{array, le32, le64};
use crate::source::{BlockSource, problem_code};
use houndigrade_report::ProblemCode;

/// Longest text. A logical volume takes about 1 KiB of it.
pub(super) const MAX_TEXT: u64 = 4 << 20;

const MAGIC: [u8; 16] = *b" LVM2 x[5A%r0N*>";
/// Flag of an area that is out of use.
const IGNORED: u32 = 1;

/// The reasons why an area is unusable.
#[derive(Debug, thiserror::Error)]
pub(super) enum AreaDamage {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("no header")]
    Header,
    #[error("the {0} does not match its checksum")]
    Checksum(&'static str),
    #[error("a text of {0} bytes, where {MAX_TEXT} are the limit")]
    Limit(u64),
    #[error("a text outside of the area")]
    Outside,
}

impl AreaDamage {
    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::Read(error) => problem_code(error),
            Self::Header | Self::Checksum(_) | Self::Outside => ProblemCode::Damaged,
            Self::Limit(_) => ProblemCode::LimitExceeded,
        }
    }
}

/// Place of the text in its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextLocation {
    /// From the start of the area.
    offset: u64,
    pub(super) size: u64,
    pub(super) checksum: u32,
}

/// Reads the header of the area of `size` bytes from byte `start`. `None` if there is no text: nothing was ever written, or other
/// areas are used.
pub(super) fn locate(
    volume: &dyn BlockSource,
    start: u64,
    size: u64,
) -> Result<Option<TextLocation>, AreaDamage> {
    let mut header = [0; SECTOR];
    volume.read_at(start, &mut header)?;
    if array(&header, 4) != Some(MAGIC) {
        return Err(AreaDamage::Header);
    }
    if le32(&header, 0) != Some(checksum(&[&header[4..]])) {
        return Err(AreaDamage::Checksum("header"));
    }
    let fields = || {
        let expected = (1, start, size);
        ((le32(&header, 20)?, le64(&header, 24)?, le64(&header, 32)?) == expected).then_some(())?;
        // A second location is of a change that was prepared and never made.
        let location = TextLocation {
            offset: le64(&header, 40)?,
            size: le64(&header, 48)?,
            checksum: le32(&header, 56)?,
        };
        Some((location, le32(&header, 60)? & IGNORED != 0))
    };
    let (location, ignored) = fields().ok_or(AreaDamage::Header)?;
    if ignored || location.offset == 0 || location.size == 0 {
        return Ok(None);
    }
    if location.size > MAX_TEXT {
        return Err(AreaDamage::Limit(location.size));
    }
    Ok(Some(location))
}

/// Reads the text at `location` of the area, which may wrap around behind the header.
pub(super) fn text(
    volume: &dyn BlockSource,
    start: u64,
    size: u64,
    location: TextLocation,
) -> Result<Vec<u8>, AreaDamage> {
    let ring = SECTOR as u64;
    let room = size
        .checked_sub(location.offset)
        .ok_or(AreaDamage::Outside)?;
    let (head, tail) = match location.size.checked_sub(room) {
        Some(tail) => (room, tail),
        None => (location.size, 0),
    };
    let wraps_into_itself = ring.saturating_add(tail) > location.offset;
    if location.offset < ring || (tail > 0 && wraps_into_itself) || location.size > MAX_TEXT {
        return Err(AreaDamage::Outside);
    }
    let mut text = vec![0; usize::try_from(location.size).map_err(|_| AreaDamage::Outside)?];
    let (first, second) =
        text.split_at_mut(usize::try_from(head).map_err(|_| AreaDamage::Outside)?);
    volume.read_at(start.saturating_add(location.offset), first)?;
    volume.read_at(start.saturating_add(ring), second)?;
    if checksum(&[first, second]) != location.checksum {
        return Err(AreaDamage::Checksum("text"));
    }
    Ok(text)
}
