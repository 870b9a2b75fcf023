//! A volume group by its metadata: physical volumes, and logical volumes in segments on them.

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
    /// Number of changes: of two copies, the higher is the newer.
    pub(super) sequence: u64,
    /// Bytes in an extent.
    pub(super) extent: u64,
    pub(super) physical: BTreeMap<String, Physical>,
    pub(super) logical: BTreeMap<String, Logical>,
}

/// A physical volume in its group's metadata.
#[derive(Debug)]
pub(super) struct Physical {
    pub(super) id: Id,
    /// Its last known device.
    pub(super) device: String,
    /// The group goes on without it: its contents are old.
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
    /// It holds the differences from another volume alone, or lacks such differences.
    pub(super) is_partial: bool,
    /// Its segments without gaps, in order, or the reason why they are unusable.
    pub(super) segments: Result<Vec<Segment>, VolumeError>,
}

impl Group {
    /// Parses the text of a metadata area.
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

    /// Returns whether the physical volume is in the group.
    pub(super) fn has(&self, physical: Id) -> bool {
        self.physical.values().any(|found| found.id == physical)
    }

    /// Returns the names of the logical volumes that a Linux shows as devices.
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
            is_partial: false,
            segments: segment::all(section),
        }
    }
}

/// Pools are hidden: one is a device only while it is empty, and never has a file system.
fn is_pool(volume: &TextSection<'_>) -> bool {
    let mut types = volume
        .sections()
        .filter_map(|(_, segment)| segment::type_of(segment));
    types.any(|kind| matches!(kind, "thin-pool" | "cache-pool" | "vdo-pool"))
}

/// Marks partial volumes. A snapshot is an entry of its own, which is no volume; it names a visible volume with the differences from
/// the origin alone. An origin that takes a snapshot back at its next start lacks the snapshot's contents.
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
                volume.is_partial = true;
            }
        }
    }
}

impl From<text::TextDamage> for VolumeError {
    fn from(damage: text::TextDamage) -> Self {
        Self::Damaged(format!("the metadata are not understood: {damage}"))
    }
}
