//! A volume group, as its metadata describe it: physical volumes, and logical volumes made of segments of them.

use std::collections::BTreeMap;

use super::Error;
use super::label::Id;
use super::text::{self, Section, Value};

/// The metadata count sizes in these.
const SECTOR: u64 = 512;
/// Longest name that the tools allow.
const MAX_NAME: usize = 127;

/// A volume group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) id: Id,
    /// Counts the changes: of two copies, the one with the higher number is the newer.
    pub(super) sequence: u64,
    /// Bytes in an extent.
    pub(super) extent: u64,
    pub(super) physical: BTreeMap<String, Physical>,
    pub(super) logical: BTreeMap<String, Logical>,
}

/// A physical volume, as its group knows it.
#[derive(Debug)]
pub(super) struct Physical {
    pub(super) id: Id,
    /// Where it was seen last.
    pub(super) device: String,
    /// The group goes on without it: what it holds is old.
    pub(super) missing: bool,
    /// First byte of the first extent.
    pub(super) start: u64,
    /// Number of extents.
    pub(super) extents: u64,
}

/// A logical volume.
#[derive(Debug)]
pub(super) struct Logical {
    visible: bool,
    /// Without gaps, in order. Or why they are of no use.
    pub(super) segments: Result<Vec<Segment>, Error>,
}

/// Part of a logical volume.
#[derive(Debug)]
pub(super) struct Segment {
    /// In extents.
    pub(super) start: u64,
    /// In extents; never 0.
    pub(super) count: u64,
    pub(super) kind: Kind,
}

/// What a segment is made of.
#[derive(Debug)]
pub(super) enum Kind {
    /// Areas of equal size in turns of `chunk` bytes, or one area after itself.
    Striped { areas: Vec<Area>, chunk: u64 },
    /// Areas that hold the same. The first is the one the others are copied from.
    Mirror(Vec<Area>),
    /// Logical volumes that hold the same, each with one for the state of it.
    Raid1(Vec<Leg>),
    /// Zeros.
    Zero,
    /// Something else.
    Other {
        kind: String,
        /// All strings in it. Some name volumes that it lies on.
        names: Vec<String>,
    },
}

/// Extents of a physical volume or of another logical volume.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) name: String,
    /// The first of them.
    pub(super) extent: u64,
}

/// One copy of a RAID 1.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) state: String,
    pub(super) data: String,
}

impl Group {
    /// The group that the text of a metadata area describes.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let root = text::parse(text)?;
        let mut groups = root.sections();
        let (Some((name, section)), None) = (groups.next(), groups.next()) else {
            return Err(Error::damaged("the metadata describe not one volume group"));
        };
        Self::read(checked_name(name)?, section)
            .ok_or_else(|| Error::Damaged(format!("the metadata of {name} lack a field")))?
    }

    fn read(name: String, section: &Section<'_>) -> Option<Result<Self, Error>> {
        let extent = section.number("extent_size")?.checked_mul(SECTOR)?;
        let id = Id::parse(section.text("id")?)?;
        let sequence = section.number("seqno")?;
        (extent > 0).then_some(())?;
        let physical = section
            .section("physical_volumes")?
            .sections()
            .map(|(name, section)| Some((name.to_owned(), Physical::read(section)?)))
            .collect::<Option<_>>()?;
        let mut logical = BTreeMap::new();
        let volumes = section.section("logical_volumes");
        for (name, section) in volumes.iter().flat_map(|volumes| volumes.sections()) {
            let name = match checked_name(name) {
                Ok(name) => name,
                Err(error) => return Some(Err(error)),
            };
            logical.insert(name, Logical::read(section));
        }
        mark_snapshots(&mut logical, volumes);
        Some(Ok(Self {
            name,
            id,
            sequence,
            extent,
            physical,
            logical,
        }))
    }

    /// Whether the physical volume is one of the group's.
    pub(super) fn has(&self, physical: Id) -> bool {
        self.physical.values().any(|found| found.id == physical)
    }

    /// Names of the logical volumes that a Linux shows as devices.
    pub(super) fn visible(&self) -> impl Iterator<Item = &str> {
        self.logical
            .iter()
            .filter(|(_, volume)| volume.visible)
            .map(|(name, _)| name.as_str())
    }
}

impl Segment {
    /// Names of what it lies on.
    pub(super) fn names(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Striped { areas, .. } | Kind::Mirror(areas) => {
                areas.iter().map(|area| area.name.as_str()).collect()
            }
            Kind::Raid1(legs) => legs.iter().map(|leg| leg.data.as_str()).collect(),
            Kind::Other { names, .. } => names.iter().map(String::as_str).collect(),
            Kind::Zero => Vec::new(),
        }
    }
}

impl Physical {
    fn read(section: &Section<'_>) -> Option<Self> {
        Some(Self {
            id: Id::parse(section.text("id")?)?,
            device: section.text("device").unwrap_or_default().to_owned(),
            missing: section.lists("flags", "MISSING"),
            start: section.number("pe_start")?.checked_mul(SECTOR)?,
            extents: section.number("pe_count")?,
        })
    }
}

impl Logical {
    fn read(section: &Section<'_>) -> Self {
        Self {
            visible: section.lists("status", "VISIBLE") && !is_pool(section),
            segments: segments(section),
        }
    }
}

/// A pool is a device only as long as nothing is in it, and no file system is ever made on one.
fn is_pool(volume: &Section<'_>) -> bool {
    let mut types = volume
        .sections()
        .filter_map(|(_, segment)| segment_type(segment));
    types.any(|kind| matches!(kind, "thin-pool" | "cache-pool" | "vdo-pool"))
}

/// The type of a segment, without the flags behind it.
fn segment_type<'a>(segment: &Section<'a>) -> Option<&'a str> {
    segment.text("type")?.split('+').next()
}

fn segments(volume: &Section<'_>) -> Result<Vec<Segment>, Error> {
    let segments: Option<Vec<Segment>> = volume
        .sections()
        .filter(|(name, _)| name.starts_with("segment"))
        .map(|(_, section)| segment(section))
        .collect();
    let mut segments = segments.ok_or_else(|| Error::damaged("a segment lacks a field"))?;
    if volume.number("segment_count") != Some(segments.len() as u64) || segments.is_empty() {
        return Err(Error::damaged("segments are missing"));
    }
    segments.sort_by_key(|segment| segment.start);
    let mut end = Some(0);
    for segment in &segments {
        if Some(segment.start) != end || segment.count == 0 {
            return Err(Error::damaged("segments overlap, or do not meet"));
        }
        end = segment.start.checked_add(segment.count);
    }
    Ok(segments)
}

fn segment(section: &Section<'_>) -> Option<Segment> {
    let kind = match segment_type(section)? {
        "striped" | "linear" => Kind::Striped {
            areas: areas(section.list("stripes")?)?,
            chunk: chunk(section)?,
        },
        "raid0" => Kind::Striped {
            areas: volumes(section.list("raid0_lvs")?)?,
            chunk: chunk(section)?,
        },
        "mirror" => Kind::Mirror(areas(section.list("mirrors")?)?),
        "raid1" => Kind::Raid1(legs(section.list("raids")?)?),
        "zero" => Kind::Zero,
        other => Kind::Other {
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

/// Bytes of a stripe before it is the next one's turn. A single stripe has no turns.
fn chunk(section: &Section<'_>) -> Option<u64> {
    section
        .number("stripe_size")
        .unwrap_or(0)
        .checked_mul(SECTOR)
}

/// `"pv0", 0, "pv1", 100`
fn areas(list: &[Value<'_>]) -> Option<Vec<Area>> {
    let areas = list.chunks(2).map(|pair| match pair {
        [Value::Text(name), Value::Number(extent)] => Some(Area {
            name: (*name).to_owned(),
            extent: *extent,
        }),
        _ => None,
    });
    areas.collect()
}

/// `"root_rimage_0", "root_rimage_1"`
fn volumes(list: &[Value<'_>]) -> Option<Vec<Area>> {
    let areas = list.iter().map(|value| match value {
        Value::Text(name) => Some(Area {
            name: (*name).to_owned(),
            extent: 0,
        }),
        _ => None,
    });
    areas.collect()
}

/// `"root_rmeta_0", "root_rimage_0", "root_rmeta_1", "root_rimage_1"`
fn legs(list: &[Value<'_>]) -> Option<Vec<Leg>> {
    let legs = list.chunks(2).map(|pair| match pair {
        [Value::Text(state), Value::Text(data)] => Some(Leg {
            state: (*state).to_owned(),
            data: (*data).to_owned(),
        }),
        _ => None,
    });
    legs.collect()
}

/// A snapshot is told by an entry of its own, which is no volume. The volume that it names is shown, and holds only what differs
/// from the origin; an origin that is to take a snapshot back at its next start lacks what that holds.
fn mark_snapshots(logical: &mut BTreeMap<String, Logical>, volumes: Option<&Section<'_>>) {
    for (name, volume) in volumes.iter().flat_map(|volumes| volumes.sections()) {
        for (_, segment) in volume.sections() {
            if segment_type(segment) != Some("snapshot") {
                continue;
            }
            logical.remove(name);
            let partial = match segment.text("merging_store") {
                Some(_) => segment.text("origin"),
                None => segment.text("cow_store"),
            };
            if let Some(volume) = partial.and_then(|name| logical.get_mut(name)) {
                volume.visible = true;
                volume.segments = Err(Error::Unsupported("snapshot".into()));
            }
        }
    }
}

/// The name, if it is one: it becomes part of a path.
fn checked_name(name: &str) -> Result<String, Error> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+');
    let is_name =
        name.len() <= MAX_NAME && name.bytes().all(allowed) && !matches!(name, "" | "." | "..");
    if !is_name {
        return Err(Error::damaged(
            "a volume has a name that no tool would allow",
        ));
    }
    Ok(name.to_owned())
}

impl From<text::Damage> for Error {
    fn from(damage: text::Damage) -> Self {
        Self::Damaged(format!("the metadata are not understood: {damage}"))
    }
}
