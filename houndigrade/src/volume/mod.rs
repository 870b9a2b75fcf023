//! Logical volumes of LVM2, from the physical volumes among an image's partitions.
//!
//! ```text
//! label ──► area ──► text ──► group ──► assembly ──► mapping
//! a PV      a ring   syntax   a VG      names        a BlockSource
//! ```
//! The reader is our own: the crate `lamlvm` reads groups of one physical volume only.

mod area;
mod assembly;
mod group;
mod label;
mod mapping;
mod raid;
mod segment;
#[cfg(test)]
pub(crate) mod tests;
mod text;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::source::BlockSource;
use group::Group;
use houndigrade_report::{Problem, ProblemCode};
use label::{Id, Label};

/// Most bytes of metadata of all groups together. Each text is read once, for any number of copies.
const MAX_TEXTS: u64 = 2 * area::MAX_TEXT;
/// Most logical volumes, of all groups together.
const MAX_VOLUMES: usize = 1024;

/// A partition that is a physical volume.
pub struct Member {
    /// Its name in the report: `/dev/sda2`.
    pub name: String,
    /// Its bytes.
    pub source: Arc<dyn BlockSource>,
}

/// The logical volumes on the physical volumes.
#[derive(Default)]
pub struct Assembled {
    /// The volumes that a Linux would show as devices, by group and name.
    pub volumes: Vec<LogicalVolume>,
    /// The reasons why volumes may be missing here, each with its partition.
    pub problems: Vec<Problem>,
}

/// A logical volume.
pub struct LogicalVolume {
    /// `/dev/GROUP/VOLUME`. Of two groups with the same name, each goes by its UUID.
    pub name: String,
    /// Its bytes, or the reason why they can't be read.
    pub source: Result<Arc<dyn BlockSource>, VolumeError>,
    /// Names of the partitions under it, sorted.
    pub members: Vec<String>,
}

/// The reasons why a logical volume can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A part of it is on another disk.
    #[error(
        "its physical volume {id} (last seen as {device}) is missing: inspect all disks of the machine together"
    )]
    Missing {
        /// UUID of the physical volume.
        id: String,
        /// Its last known device.
        device: String,
    },
    /// It has unsupported segments.
    #[error("unsupported LVM2 segments: {0}")]
    Unsupported(String),
    /// The metadata contradict themselves.
    #[error("LVM2: {0}")]
    Damaged(String),
}

impl VolumeError {
    fn damaged(what: &str) -> Self {
        Self::Damaged(what.into())
    }

    /// Returns the code that the report has for it.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Missing { .. } => ProblemCode::Missing,
            Self::Unsupported(_) => ProblemCode::UnsupportedVolume,
            Self::Damaged(_) => ProblemCode::Damaged,
        }
    }
}

/// The physical volumes by UUID.
type Present = BTreeMap<Id, Member>;

/// Reads the volume groups that `members` belong to.
pub fn assemble(members: Vec<Member>) -> Assembled {
    let mut problems = Vec::new();
    let mut present = Present::new();
    let mut survey = GroupSurvey::default();
    let mut unexplained = Vec::new();
    for member in members {
        let label = match label::read(&*member.source) {
            Ok(label) => label,
            Err(damage) => {
                let problem = Problem::new(damage.code(), damage.to_string());
                problems.push(problem.at(&member.name));
                continue;
            }
        };
        if let Some(first) = present.get(&label.id) {
            let message = format!(
                "it is the same physical volume as {}: {}. Only the latter was read",
                first.name, label.id
            );
            problems.push(Problem::new(ProblemCode::Damaged, message).at(&member.name));
            continue;
        }
        unexplained.push((label.id, survey.read(&label, &member)));
        present.insert(label.id, member);
    }
    for (id, problem) in unexplained {
        // Another physical volume may have the group's metadata.
        let is_known = || survey.groups.values().any(|group| group.has(id));
        if let (Some(problem), Some(member)) = (problem, present.get(&id))
            && !is_known()
        {
            problems.push(problem.at(&member.name));
        }
    }
    let visible = survey
        .groups
        .values()
        .map(|group| group.visible().count())
        .sum::<usize>();
    if visible > MAX_VOLUMES {
        let message = format!("{visible} logical volumes: only {MAX_VOLUMES} are read");
        problems.push(Problem::new(ProblemCode::LimitExceeded, message));
    }
    Assembled {
        volumes: volumes(&survey, &present),
        problems,
    }
}

fn volumes(survey: &GroupSurvey, present: &Present) -> Vec<LogicalVolume> {
    let mut groups: Vec<&Group> = survey.groups.values().collect();
    groups.sort_by_key(|group| (&group.name, group.id));
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    for group in &groups {
        *names.entry(&group.name).or_default() += 1;
    }
    let mut volumes = Vec::new();
    for group in groups {
        let shown_as = match names.get(group.name.as_str()) {
            Some(1) => group.name.clone(),
            _ => group.id.to_string(),
        };
        let room = MAX_VOLUMES - volumes.len();
        volumes.extend(assembly::volumes(group, &shown_as, present, room));
    }
    volumes
}

/// The newest description of each group.
#[derive(Default)]
struct GroupSurvey {
    groups: BTreeMap<Id, Group>,
    seen: HashSet<(u64, u32)>,
    bytes: u64,
}

impl GroupSurvey {
    /// Reads the metadata areas of one physical volume. Returns the reason why its group may remain unknown.
    fn read(&mut self, label: &Label, member: &Member) -> Option<Problem> {
        let mut problem = None;
        for &(start, size) in &label.metadata {
            match self.read_area(&*member.source, start, size) {
                Ok(()) => {}
                Err(Problem { code, message, .. }) => {
                    let message = format!("metadata area at byte {start}: {message}");
                    problem = Some(Problem::new(code, message));
                }
            }
        }
        let elsewhere = || {
            Problem::new(
                ProblemCode::Missing,
                "it belongs to a volume group whose metadata lie on other disks",
            )
        };
        problem.or_else(|| label.used.then(elsewhere))
    }

    fn read_area(
        &mut self,
        volume: &dyn BlockSource,
        start: u64,
        size: u64,
    ) -> Result<(), Problem> {
        let problem = |damage: area::AreaDamage| Problem::new(damage.code(), damage.to_string());
        let Some(location) = area::locate(volume, start, size).map_err(problem)? else {
            return Ok(());
        };
        let copy = (location.size, location.checksum);
        if self.seen.contains(&copy) {
            return Ok(());
        }
        self.bytes += location.size;
        if self.bytes > MAX_TEXTS {
            let message = format!("more than {MAX_TEXTS} bytes of metadata in all");
            return Err(Problem::new(ProblemCode::LimitExceeded, message));
        }
        let bytes = area::text(volume, start, size, location).map_err(problem)?;
        let group = Group::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Problem::new(error.code(), error.to_string()))?;
        self.seen.insert(copy);
        match self.groups.get(&group.id) {
            Some(known) if known.sequence >= group.sequence => {}
            _ => drop(self.groups.insert(group.id, group)),
        }
        Ok(())
    }
}

/// Returns the checksum of all LVM2 structures: CRC-32 with an initial value of its own and no final inversion.
fn checksum(parts: &[&[u8]]) -> u32 {
    const INITIAL: u32 = 0xf597_a6cf;
    let mut hasher = crc32fast::Hasher::new_with_initial(!INITIAL);
    parts.iter().for_each(|part| hasher.update(part));
    !hasher.finalize()
}
