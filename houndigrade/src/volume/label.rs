//! The label of a physical volume, and the header behind it: identity, and places of the group's metadata.

use std::fmt;
use std::io;

use super::checksum;
use crate::bytes::{array, le32, le64};
use crate::source::{BlockSource, problem_code};
use houndigrade_report::ProblemCode;

/// Bytes in a sector of a label, on all disks.
pub(super) const SECTOR: usize = 512;
/// Sectors that a label may be in. Every tool writes it into the second.
const LABEL_SECTORS: u64 = 4;
/// Most metadata areas: tools make up to two.
const MAX_AREAS: usize = 4;
/// The volume belongs to a group.
const USED: u32 = 1;

/// Identity of a physical volume or a volume group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id([u8; 32]);

impl Id {
    /// Returns the identity in its 32 characters on disk.
    fn new(bytes: [u8; 32]) -> Option<Self> {
        bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#'))
            .then_some(Self(bytes))
    }

    /// Parses the identity in a text: the characters with dashes between groups of them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let characters: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
        Self::new(characters.try_into().ok()?)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, &byte) in self.0.iter().enumerate() {
            if (6..30).contains(&position) && (position - 6) % 4 == 0 {
                formatter.write_str("-")?;
            }
            write!(formatter, "{}", char::from(byte))?;
        }
        Ok(())
    }
}

/// Start and size of an area, in bytes.
type Bounds = (u64, u64);

/// A label with its header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) id: Id,
    /// The metadata areas: none, one or two.
    pub(super) metadata: Vec<Bounds>,
    /// It belongs to a group. Old tools did not set it, so one without metadata then may belong to one.
    pub(super) used: bool,
}

/// The reasons why a partition is no physical volume.
#[derive(Debug, thiserror::Error)]
pub(super) enum LabelDamage {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("no LVM2 label in the first {LABEL_SECTORS} sectors")]
    Missing,
    #[error("the LVM2 label in sector {0} does not match its checksum")]
    Checksum(u64),
    #[error("the LVM2 label in sector {0} contradicts itself")]
    Header(u64),
}

impl LabelDamage {
    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::Read(error) => problem_code(error),
            Self::Missing | Self::Checksum(_) | Self::Header(_) => ProblemCode::Damaged,
        }
    }
}

/// Reads the first intact label.
pub(super) fn read(volume: &dyn BlockSource) -> Result<Label, LabelDamage> {
    let mut damage = LabelDamage::Missing;
    for sector in 0..LABEL_SECTORS {
        let mut buffer = [0; SECTOR];
        match volume.read_at(sector * SECTOR as u64, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            result => result?,
        }
        match parse(sector, &buffer) {
            Ok(Some(label)) => return Ok(label),
            Ok(None) => {}
            Err(error) => damage = error,
        }
    }
    Err(damage)
}

fn parse(number: u64, sector: &[u8; SECTOR]) -> Result<Option<Label>, LabelDamage> {
    if !sector.starts_with(b"LABELONE") || array(sector, 24) != Some(*b"LVM2 001") {
        return Ok(None);
    }
    if le32(sector, 16) != Some(checksum(&[&sector[20..]])) {
        return Err(LabelDamage::Checksum(number));
    }
    let label = || {
        (le64(sector, 8)? == number).then_some(())?;
        header(sector.get(le32(sector, 20)? as usize..)?)
    };
    label().map(Some).ok_or(LabelDamage::Header(number))
}

/// Parses the header of a physical volume: identity, size, and two lists of areas, each with an empty entry at its end. Newer tools
/// have more behind the lists.
fn header(bytes: &[u8]) -> Option<Label> {
    let id = Id::new(array(bytes, 0)?)?;
    // The first list has the data areas; the group's metadata have the beginning of the extents too, and count.
    let (_, rest) = areas(bytes.get(40..)?)?;
    let (metadata, rest) = areas(rest)?;
    let used = match le32(rest, 0) {
        Some(version) if version >= 2 => le32(rest, 4)? & USED != 0,
        _ => metadata.is_empty(),
    };
    Some(Label { id, metadata, used })
}

/// Returns the areas in the list at the beginning of `bytes`, and the bytes behind the list.
fn areas(bytes: &[u8]) -> Option<(Vec<Bounds>, &[u8])> {
    let mut areas = Vec::new();
    for (position, area) in bytes.chunks_exact(16).enumerate().take(MAX_AREAS + 1) {
        match le64(area, 0)? {
            0 => return Some((areas, bytes.get(16 * (position + 1)..)?)),
            start => areas.push((start, le64(area, 8)?)),
        }
    }
    None
}
