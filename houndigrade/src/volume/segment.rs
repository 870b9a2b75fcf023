//! Segments of logical volumes.

use super::VolumeError;
use super::text::{TextSection, Value};

/// Bytes in a sector, the unit of the metadata.
pub(super) const SECTOR: u64 = 512;
/// Longest name that the tools allow.
const MAX_NAME: usize = 127;
/// Most copies in the kernel.
const MAX_LEGS: usize = 64;

/// A part of a logical volume.
#[derive(Debug)]
pub(super) struct Segment {
    /// In extents.
    pub(super) start: u64,
    /// In extents; never 0.
    pub(super) count: u64,
    pub(super) kind: SegmentType,
}

/// The types of segments.
#[derive(Debug)]
pub(super) enum SegmentType {
    /// Areas of equal size in stripes of `chunk` bytes, or one area.
    Striped { areas: Vec<Area>, chunk: u64 },
    /// Areas with the same contents. The others are copied from the first.
    Mirror(Vec<Area>),
    /// Logical volumes with the same contents, each with one for its state.
    Raid1(Vec<Leg>),
    /// Zeros.
    Zero,
    /// Something else.
    Other {
        kind: String,
        /// All strings in it. Some name volumes under it.
        names: Vec<String>,
    },
}

/// Extents of a physical volume or of another logical volume.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) name: String,
    /// The first extent.
    pub(super) extent: u64,
}

/// One copy of a RAID 1.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) state: String,
    pub(super) data: String,
}

impl Segment {
    /// Returns the names of the volumes under it.
    pub(super) fn names(&self) -> Vec<&str> {
        match &self.kind {
            SegmentType::Striped { areas, .. } | SegmentType::Mirror(areas) => {
                areas.iter().map(|area| area.name.as_str()).collect()
            }
            SegmentType::Raid1(legs) => legs.iter().map(|leg| leg.data.as_str()).collect(),
            SegmentType::Other { names, .. } => names.iter().map(String::as_str).collect(),
            SegmentType::Zero => Vec::new(),
        }
    }
}

/// Parses the segments of a volume.
pub(super) fn all(volume: &TextSection<'_>) -> Result<Vec<Segment>, VolumeError> {
    let segments: Option<Vec<Segment>> = volume
        .sections()
        .filter(|(name, _)| name.starts_with("segment"))
        .map(|(_, section)| segment(section))
        .collect();
    let mut segments = segments.ok_or_else(|| VolumeError::damaged("a segment lacks a field"))?;
    if volume.number("segment_count") != Some(segments.len() as u64) || segments.is_empty() {
        return Err(VolumeError::damaged("segments are missing"));
    }
    segments.sort_by_key(|segment| segment.start);
    let mut end = Some(0);
    for segment in &segments {
        if Some(segment.start) != end || segment.count == 0 {
            return Err(VolumeError::damaged("segments overlap, or do not meet"));
        }
        end = segment.start.checked_add(segment.count);
    }
    Ok(segments)
}

fn segment(section: &TextSection<'_>) -> Option<Segment> {
    let kind = match type_of(section)? {
        "striped" | "linear" => SegmentType::Striped {
            areas: areas(section.list("stripes")?)?,
            chunk: chunk(section)?,
        },
        "raid0" => SegmentType::Striped {
            areas: volumes(section.list("raid0_lvs")?)?,
            chunk: chunk(section)?,
        },
        "mirror" => SegmentType::Mirror(areas(section.list("mirrors")?)?),
        "raid1" => SegmentType::Raid1(legs(section.list("raids")?)?),
        "zero" => SegmentType::Zero,
        other => SegmentType::Other {
            kind: other
                .chars()
                .take(32)
                .flat_map(char::escape_debug)
                .collect(),
            names: section.texts().map(str::to_owned).collect(),
        },
    };
    Some(Segment {
        start: section.number("start_extent")?,
        count: section.number("extent_count")?,
        kind,
    })
}

/// Parses the bytes of a stripe. A single stripe has none.
fn chunk(section: &TextSection<'_>) -> Option<u64> {
    section
        .number("stripe_size")
        .unwrap_or(0)
        .checked_mul(SECTOR)
}

/// Parses `"pv0", 0, "pv1", 100`.
fn areas(list: &[Value<'_>]) -> Option<Vec<Area>> {
    let areas = list.chunks(2).map(|pair| match pair {
        [Value::Text(name), Value::Number(extent)] => Some(Area {
            name: checked_name(name).ok()?,
            extent: *extent,
        }),
        _ => None,
    });
    areas.collect()
}

/// Parses `"root_rimage_0", "root_rimage_1"`.
fn volumes(list: &[Value<'_>]) -> Option<Vec<Area>> {
    let areas = list.iter().map(|value| match value {
        Value::Text(name) => Some(Area {
            name: checked_name(name).ok()?,
            extent: 0,
        }),
        _ => None,
    });
    areas.collect()
}

/// Parses `"root_rmeta_0", "root_rimage_0", "root_rmeta_1", "root_rimage_1"`.
fn legs(list: &[Value<'_>]) -> Option<Vec<Leg>> {
    (list.len() <= 2 * MAX_LEGS).then_some(())?;
    let legs = list.chunks(2).map(|pair| match pair {
        [Value::Text(state), Value::Text(data)] => Some(Leg {
            state: checked_name(state).ok()?,
            data: checked_name(data).ok()?,
        }),
        _ => None,
    });
    legs.collect()
}

/// Returns the type of a segment, without the flags behind it.
pub(super) fn type_of<'a>(segment: &TextSection<'a>) -> Option<&'a str> {
    segment.text("type")?.split('+').next()
}

/// Returns the name, if it is valid: it becomes part of paths and of messages.
pub(super) fn checked_name(name: &str) -> Result<String, VolumeError> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    let is_name =
        name.len() <= MAX_NAME && name.bytes().all(allowed) && !matches!(name, "" | "." | "..");
    if !is_name {
        return Err(VolumeError::damaged(
            "a volume has a name that no tool would allow",
        ));
    }
    Ok(name.to_owned())
}
