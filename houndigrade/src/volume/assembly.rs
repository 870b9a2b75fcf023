//! Assembles a group's volumes by its description.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::group::{Group, Physical};
use super::mapping::{DeviceRange, Mapping, Target};
use super::segment::{Area, Leg, Segment, SegmentType};
use super::{LogicalVolume, Present, VolumeError, raid};
use crate::source::BlockSource;

/// Most logical volumes on top of each other. The tools make five: thin on cache on RAID on integrity on disks.
const MAX_DEPTH: u32 = 8;

/// Returns the visible volumes of a group, `limit` at most. `shown_as` is the group's part of their names.
pub(super) fn volumes(
    group: &Group,
    shown_as: &str,
    present: &Present,
    limit: usize,
) -> Vec<LogicalVolume> {
    let mut assembly = Assembly {
        group,
        present,
        opened: HashMap::new(),
        members: HashMap::new(),
    };
    let volume = |name| LogicalVolume {
        name: format!("/dev/{shown_as}/{name}"),
        source: assembly
            .logical(name, MAX_DEPTH)
            .map(|opened| opened.source),
        members: assembly
            .members(name, MAX_DEPTH)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    group.visible().take(limit).map(volume).collect()
}

/// A readable volume.
#[derive(Clone)]
struct Opened {
    source: Arc<dyn BlockSource>,
    /// Number of logical volumes on top of each other in it.
    height: u32,
}

struct Assembly<'a> {
    group: &'a Group,
    present: &'a Present,
    /// Each logical volume is opened once; while that is in progress it is an error here, which ends cycles.
    opened: HashMap<&'a str, Result<Opened, VolumeError>>,
    /// Partitions under logical volumes.
    members: HashMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Assembly<'a> {
    fn logical(&mut self, name: &str, depth: u32) -> Result<Opened, VolumeError> {
        let Some((name, volume)) = self.group.logical.get_key_value(name) else {
            return Err(VolumeError::Damaged(format!("there is no volume {name}")));
        };
        if let Some(opened) = self.opened.get(name.as_str()) {
            return opened.clone();
        }
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        let cycle = VolumeError::Damaged(format!("{name} lies on itself"));
        self.opened.insert(name, Err(cycle));
        let opened = match &volume.segments {
            _ if volume.is_partial => Err(VolumeError::Unsupported("snapshot".into())),
            Ok(segments) => self.map(segments, depth),
            Err(error) => Err(error.clone()),
        };
        self.opened.insert(name, opened.clone());
        opened
    }

    fn map(&mut self, segments: &'a [Segment], depth: u32) -> Result<Opened, VolumeError> {
        let mut mapping = Mapping::default();
        let mut height = 1;
        for segment in segments {
            let (target, below) = self.target(segment, depth)?;
            height = height.max(below + 1);
            if height > MAX_DEPTH {
                return Err(too_deep());
            }
            let size = self.bytes(segment.count)?;
            mapping.push(size, target).ok_or_else(too_large)?;
        }
        Ok(Opened {
            source: Arc::new(mapping),
            height,
        })
    }

    /// Returns the mapping of a segment, and the height of the volumes under it.
    fn target(&mut self, segment: &'a Segment, depth: u32) -> Result<(Target, u32), VolumeError> {
        match &segment.kind {
            SegmentType::Striped { areas, chunk } => {
                self.stripes(areas, *chunk, segment.count, depth)
            }
            SegmentType::Mirror(areas) => self.mirror(areas, segment.count, depth),
            SegmentType::Raid1(legs) => self.raid1(legs, segment.count, depth),
            SegmentType::Zero => Ok((Target::Zero, 0)),
            SegmentType::Other { kind, .. } => Err(VolumeError::Unsupported(kind.clone())),
        }
    }

    fn stripes(
        &mut self,
        areas: &[Area],
        chunk: u64,
        count: u64,
        depth: u32,
    ) -> Result<(Target, u32), VolumeError> {
        let stripes = areas.len() as u64;
        if stripes == 0 || !count.is_multiple_of(stripes) {
            return Err(VolumeError::damaged("stripes of different sizes"));
        }
        let each = count / stripes;
        let mut places = Vec::with_capacity(areas.len());
        let mut height = 0;
        for area in areas {
            let (place, below) = self.place(area, each, depth)?;
            places.push(place);
            height = height.max(below);
        }
        if places.len() == 1 {
            let target = places.pop().map(Target::Linear);
            return Ok((target.unwrap_or(Target::Zero), height));
        }
        if chunk == 0 || !self.bytes(each)?.is_multiple_of(chunk) {
            return Err(VolumeError::damaged("stripes of a size that does not fit"));
        }
        Ok((Target::Striped { places, chunk }, height))
    }

    /// Returns the first present area.
    fn mirror(
        &mut self,
        areas: &[Area],
        count: u64,
        depth: u32,
    ) -> Result<(Target, u32), VolumeError> {
        let mut failed = VolumeError::damaged("a mirror of nothing");
        for (tried, area) in areas.iter().enumerate() {
            match self.place(area, count, depth) {
                Ok((place, height)) => return Ok((Target::Linear(place), height)),
                Err(error) if tried == 0 => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    /// Returns a leg that is present and in sync.
    fn raid1(
        &mut self,
        legs: &[Leg],
        count: u64,
        depth: u32,
    ) -> Result<(Target, u32), VolumeError> {
        let mut states = Vec::with_capacity(legs.len());
        for leg in legs {
            let state = self.logical(&leg.state, depth);
            states.push(state.ok().and_then(|state| raid::state(&*state.source)));
        }
        let mut failed = VolumeError::damaged("no copy of a RAID 1 is complete");
        for position in raid::in_sync(&states) {
            let area = Area {
                name: legs[position].data.clone(),
                extent: 0,
            };
            match self.place(&area, count, depth) {
                Ok((place, height)) => return Ok((Target::Linear(place), height)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Returns the place of `count` extents of an area, and the height of the volumes under them.
    fn place(
        &mut self,
        area: &Area,
        count: u64,
        depth: u32,
    ) -> Result<(DeviceRange, u32), VolumeError> {
        let end = area.extent.checked_add(count).ok_or_else(too_large)?;
        let offset = self.bytes(area.extent)?;
        let outside = || VolumeError::Damaged(format!("extents behind the end of {}", area.name));
        if let Some(physical) = self.group.physical.get(&area.name) {
            if end > physical.extents {
                return Err(outside());
            }
            let offset = physical.start.checked_add(offset).ok_or_else(too_large)?;
            let source = Arc::clone(&self.physical(physical)?.source);
            return Ok((DeviceRange { source, offset }, 0));
        }
        let Opened { source, height } = self.logical(&area.name, depth)?;
        if self.bytes(end)? > source.size() {
            return Err(outside());
        }
        Ok((DeviceRange { source, offset }, height))
    }

    fn physical(&self, physical: &Physical) -> Result<&'a super::Member, VolumeError> {
        let member = self.present.get(&physical.id).filter(|_| !physical.missing);
        member.ok_or_else(|| VolumeError::Missing {
            id: physical.id.to_string(),
            device: physical
                .device
                .chars()
                .take(64)
                .flat_map(char::escape_debug)
                .collect(),
        })
    }

    /// Returns the bytes in so many extents.
    fn bytes(&self, extents: u64) -> Result<u64, VolumeError> {
        extents.checked_mul(self.group.extent).ok_or_else(too_large)
    }

    /// Returns the partitions under a volume, as far as they are present.
    fn members(&mut self, name: &'a str, depth: u32) -> BTreeSet<&'a str> {
        if let Some(physical) = self.group.physical.get(name) {
            let member = self.present.get(&physical.id);
            return member
                .map(|member| member.name.as_str())
                .into_iter()
                .collect();
        }
        let (Some(volume), Some(depth)) = (self.group.logical.get(name), depth.checked_sub(1))
        else {
            return BTreeSet::new();
        };
        if let Some(members) = self.members.get(name) {
            return members.clone();
        }
        self.members.insert(name, BTreeSet::new());
        let segments = volume.segments.iter().flatten();
        let parts: BTreeSet<&str> = segments.flat_map(Segment::names).collect();
        let members: BTreeSet<&str> = parts
            .into_iter()
            .flat_map(|part| self.members(part, depth))
            .collect();
        self.members.insert(name, members.clone());
        members
    }
}

fn too_deep() -> VolumeError {
    VolumeError::Damaged(format!("more than {MAX_DEPTH} volumes lie on each other"))
}

fn too_large() -> VolumeError {
    VolumeError::damaged("larger than any disk")
}
