//! Observes an image's disks: partitions and logical volumes, and the file systems on them.

use std::sync::Arc;

use super::{Disk, catch_panic, layout::VolumeNames};
use crate::filesystem::MemoryBudget;
use crate::filesystem::{self, Content, FileSystem};
use crate::partition::{self, Partition};
use crate::source::{BlockSource, SourceWindow, problem_code};
use crate::volume::{self, Member};
use houndigrade_report::{Problem, ProblemCode};

/// Most open file systems: each takes memory.
const MAX_FILE_SYSTEMS: usize = 64;

/// The volumes on the disks of an image.
#[derive(Default)]
pub(super) struct ObservedDisks {
    /// The disks that could be opened.
    pub(super) disks: Vec<(String, Arc<dyn BlockSource>)>,
    /// In the order of the disks; the logical volumes come last.
    pub(super) volumes: Vec<ProbedVolume>,
    /// Problems that are not a volume's.
    pub(super) problems: Vec<Problem>,
    /// For the changes in the logs of the file systems.
    memory: MemoryBudget,
}

/// A partition, a disk without a partition table, or a logical volume.
pub(super) struct ProbedVolume {
    /// Its disk, or the first of several.
    pub(super) drive: String,
    /// Its name for `fdisk` or `lvs`.
    pub(super) name: String,
    /// Its names for an fstab.
    pub(super) names: VolumeNames,
    /// The kind of contents recognised.
    pub(super) kind: Option<&'static str>,
    /// The contents.
    pub(super) contents: Contents,
}

/// The contents of a volume.
pub(super) enum Contents {
    /// A file system.
    FileSystem(Box<dyn FileSystem>),
    /// No files, for this reason.
    Nothing(String),
    /// Unreadable, for this reason.
    Unknown(Problem),
}

/// A partition that is a physical volume of LVM2.
struct PhysicalVolume {
    drive: String,
    names: VolumeNames,
    member: Member,
}

/// Reads all disks.
pub(super) fn observe(disks: Vec<Disk>, memory: MemoryBudget) -> ObservedDisks {
    let mut observed = ObservedDisks {
        memory,
        ..ObservedDisks::default()
    };
    let mut physical = Vec::new();
    for (index, disk) in disks.into_iter().enumerate() {
        match disk.source {
            Ok(source) => observed.disk(index, &disk.name, source, &mut physical),
            Err(error) => {
                let problem = Problem::new(problem_code(&error), error.to_string());
                observed.problems.push(problem.at(&disk.name));
            }
        }
    }
    observed.logical(physical);
    observed
}

impl ObservedDisks {
    fn disk(
        &mut self,
        index: usize,
        drive: &str,
        disk: Arc<dyn BlockSource>,
        physical: &mut Vec<PhysicalVolume>,
    ) {
        self.disks.push((drive.into(), Arc::clone(&disk)));
        if disk.size() == 0 {
            let problem = Problem::new(ProblemCode::Damaged, "it is empty");
            return self.problems.push(problem.at(drive));
        }
        let table = match partition::read(&*disk) {
            Ok(table) => table,
            Err(error) => {
                let message = format!("reading the partition table: {error}");
                let problem = Problem::new(problem_code(&error), message);
                return self.problems.push(problem.at(drive));
            }
        };
        let problems = table.problems.into_iter();
        self.problems
            .extend(problems.map(|problem| problem.at(drive)));
        for part in table.partitions {
            let name = partition_name(drive, part.number);
            let source: Arc<dyn BlockSource> =
                Arc::new(SourceWindow::new(Arc::clone(&disk), part.start, part.size));
            let names = VolumeNames {
                disk: index,
                number: part.number,
                part_uuid: part.uuid.clone(),
                part_label: part.label.clone(),
                mount_point: part.mount_point,
                ..VolumeNames::default()
            };
            let outside = (part.start >= disk.size()).then(|| {
                let (start, end) = (part.start, disk.size());
                Contents::Unknown(Problem::new(
                    ProblemCode::Damaged,
                    format!("it begins at byte {start}, but the disk ends at {end}"),
                ))
            });
            let mut volume = ProbedVolume::new(drive, name, names);
            match outside {
                Some(outside) => volume.contents = outside,
                None => volume.probe(&source, &part, self.room()),
            }
            if volume.kind == Some("lvm2") {
                physical.push(volume.into_physical(source));
            } else {
                self.volumes.push(volume);
            }
        }
    }

    /// Replaces the physical volumes by the logical ones.
    fn logical(&mut self, physical: Vec<PhysicalVolume>) {
        let homes: Vec<_> = physical
            .iter()
            .map(|one| {
                (
                    one.member.name.clone(),
                    one.drive.clone(),
                    one.names.clone(),
                )
            })
            .collect();
        let members = physical.into_iter().map(|one| one.member).collect();
        let assembled = volume::assemble(members);
        let mut problems = assembled.problems;
        for (name, drive, names) in &homes {
            let is_used = assembled
                .volumes
                .iter()
                .any(|volume| volume.members.contains(name));
            if !is_used {
                let mut volume = ProbedVolume::new(drive, name.clone(), names.clone());
                volume.kind = Some("lvm2");
                let at = problems
                    .iter()
                    .position(|problem| problem.path.as_ref() == Some(name));
                volume.contents = match at.map(|at| problems.remove(at)) {
                    Some(problem) => Contents::Unknown(problem),
                    None => Contents::Nothing("physical volume without logical volumes".into()),
                };
                self.volumes.push(volume);
            }
        }
        self.problems.append(&mut problems);
        for logical in assembled.volumes {
            let is_home = |(name, ..): &&(String, _, _)| logical.members.contains(name);
            let Some((_, drive, names)) = homes.iter().find(is_home) else {
                let problem = Problem::new(ProblemCode::Missing, "no disk of the image has it");
                self.problems.push(problem.at(&logical.name));
                continue;
            };
            let names = VolumeNames {
                disk: names.disk,
                logical_volume: Some(logical.name.clone()),
                ..VolumeNames::default()
            };
            let mut volume = ProbedVolume::new(drive, logical.name, names);
            match logical.source {
                Ok(source) => volume.probe(&source, &Partition::default(), self.room()),
                Err(error) => {
                    let problem = Problem::new(error.code(), error.to_string());
                    volume.contents = Contents::Unknown(problem);
                }
            }
            self.volumes.push(volume);
        }
    }

    /// Returns the memory for one more file system; `None` if there are enough.
    fn room(&self) -> Option<&MemoryBudget> {
        let is_open = |volume: &&ProbedVolume| matches!(volume.contents, Contents::FileSystem(_));
        let has_room = self.volumes.iter().filter(is_open).count() < MAX_FILE_SYSTEMS;
        has_room.then_some(&self.memory)
    }
}

impl ProbedVolume {
    fn new(drive: &str, name: String, names: VolumeNames) -> Self {
        Self {
            drive: drive.into(),
            name,
            names,
            kind: None,
            contents: Contents::Nothing("empty".into()),
        }
    }

    /// Returns its file system, if it can be read.
    pub(super) fn tree(&self) -> Option<&dyn FileSystem> {
        match &self.contents {
            Contents::FileSystem(fs) => Some(&**fs),
            Contents::Nothing(_) | Contents::Unknown(_) => None,
        }
    }

    fn into_physical(self, source: Arc<dyn BlockSource>) -> PhysicalVolume {
        PhysicalVolume {
            drive: self.drive,
            names: self.names,
            member: Member {
                name: self.name,
                source,
            },
        }
    }

    /// Recognises and opens its contents.
    fn probe(
        &mut self,
        source: &Arc<dyn BlockSource>,
        part: &Partition,
        room: Option<&MemoryBudget>,
    ) {
        self.contents = match Content::identify(&**source) {
            Err(error) => Contents::Unknown(Problem::new(problem_code(&error), error.to_string())),
            Ok((content, identity)) => {
                self.kind = content.name();
                self.names.filesystem = identity;
                open(content, source, part, room)
            }
        };
    }
}

fn open(
    content: Content,
    source: &Arc<dyn BlockSource>,
    part: &Partition,
    room: Option<&MemoryBudget>,
) -> Contents {
    if let Some(reason) = content.no_linux(part.purpose) {
        return Contents::Nothing(reason.into());
    }
    let Some(memory) = room else {
        return Contents::Unknown(Problem::new(
            ProblemCode::LimitExceeded,
            format!("more than {MAX_FILE_SYSTEMS} file systems on the disks of one image"),
        ));
    };
    match catch_panic(content.name(), || {
        filesystem::open(content, Arc::clone(source), memory)
    }) {
        Ok(tree) => Contents::FileSystem(tree),
        Err(Problem { code, message, .. }) if content == Content::WindowsNtfs && part.windows => {
            Contents::Unknown(Problem::new(
                code,
                format!("{message}; it looks like Windows"),
            ))
        }
        Err(problem) => Contents::Unknown(problem),
    }
}

/// Names a partition as the kernel and `fdisk` do: `/dev/sda1`, but `/dev/loop0p1`. A snapshot's id may end with a digit or not.
fn partition_name(drive: &str, number: Option<u32>) -> String {
    match number {
        None => drive.into(),
        Some(number)
            if drive.starts_with("snap-")
                || drive.ends_with(|last: char| last.is_ascii_digit()) =>
        {
            format!("{drive}p{number}")
        }
        Some(number) => format!("{drive}{number}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/dev/sda", Some(1), "/dev/sda1")]
    #[case("/dev/loop0", Some(12), "/dev/loop0p12")]
    #[case("snap-012a", Some(2), "snap-012ap2")]
    #[case("disk.img", None, "disk.img")]
    fn partitions_are_named_as_fdisk_does(
        #[case] drive: &str,
        #[case] number: Option<u32>,
        #[case] expected: &str,
    ) {
        assert_eq!(partition_name(drive, number), expected);
    }
}
