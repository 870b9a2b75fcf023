//! A volume group, as its metadata describe it: physical volumes, and logical volumes made of segments of them.

use std::collections::BTreeMap;

use super::VolumeError;
use super::label::Id;
use super::segment::{self, SECTOR, Segment, checked_name};
use super::text::{self, TextSection};

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
    pub(super) segments: Result<Vec<Segment>, VolumeError>,
}

impl Group {
    /// The group that the text of a metadata area describes.
    pub(super) fn parse(text: &str) -> Result<Self, VolumeError> {
        let root = text::parse(text)?;
        let mut groups = root.sections();
        let (Some((name, section)), None) = (groups.next(), groups.next()) else {
            return Err(VolumeError::damaged(
                "the metadata describe not one volume group",
            ));
        };
        Self::read(checked_name(name)?, section)
            .ok_or_else(|| VolumeError::Damaged(format!("the metadata of {name} lack a field")))?
    }

    fn read(name: String, section: &TextSection<'_>) -> Option<Result<Self, VolumeError>> {
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

impl Physical {
    fn read(section: &TextSection<'_>) -> Option<Self> {
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
    fn read(section: &TextSection<'_>) -> Self {
        Self {
            visible: section.lists("status", "VISIBLE") && !is_pool(section),
            segments: segment::all(section),
        }
    }
}

/// A pool is a device only as long as nothing is in it, and no file system is ever made on one.
fn is_pool(volume: &TextSection<'_>) -> bool {
    let mut types = volume
        .sections()
        .filter_map(|(_, segment)| segment::type_of(segment));
    types.any(|kind| matches!(kind, "thin-pool" | "cache-pool" | "vdo-pool"))
}

/// A snapshot is told by an entry of its own, which is no volume. The volume that it names is shown, and holds only what differs
/// from the origin; an origin that is to take a snapshot back at its next start lacks what that holds.
fn mark_snapshots(logical: &mut BTreeMap<String, Logical>, volumes: Option<&TextSection<'_>>) {
    for (name, volume) in volumes.iter().flat_map(|volumes| volumes.sections()) {
        for (_, segment) in volume.sections() {
            if segment::type_of(segment) != Some("snapshot") {
                continue;
            }
            logical.remove(name);
            let partial = match segment.text("merging_store") {
                Some(_) => segment.text("origin"),
                None => segment.text("cow_store"),
            };
            if let Some(volume) = partial.and_then(|name| logical.get_mut(name)) {
                volume.visible = true;
                volume.segments = Err(VolumeError::Unsupported("snapshot".into()));
            }
        }
    }
}

impl From<text::TextDamage> for VolumeError {
    fn from(damage: text::TextDamage) -> Self {
        Self::Damaged(format!("the metadata are not understood: {damage}"))
    }
}
