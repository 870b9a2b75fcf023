//! Inspects the disks of an image.
//!
//! ```text
//! volumes ──► system ──────► layout ──────► system ──► facts, verdict
//! read them   find systems   decide mounts  compose    for each tree
//! ```

mod layout;
mod system;
#[cfg(test)]
mod tests;
mod volumes;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::facts::{self, Findings, system_purpose};
use crate::filesystem::MemoryBudget;
use crate::filesystem::{FileSystem, FileSystemError, Root, fstab};
use crate::source::BlockSource;
use crate::stopwatch::{Stopwatch, TimedStage};
use crate::verdict::{PartitionFindings, verdict};
use houndigrade_report::{Facts, InspectedImage, InspectedPartition, Problem, ProblemCode};
use layout::{Installed, PlannedMount};
use volumes::{Contents, ProbedVolume};

/// A disk of an image, or the error of opening it.
pub struct Disk {
    /// Its name in the report.
    pub name: String,
    /// Its blocks.
    pub source: io::Result<Arc<dyn BlockSource>>,
}

/// Inspects all disks of an image, whose file systems share `memory`.
///
/// It never fails: unread parts are errors in the report. It takes as long as the sources let it: give them a
/// [`Deadline`](crate::source::Deadline). A damaged disk may even keep a reader busy without a read, so a caller that must not
/// hang runs this on a thread that it can abandon.
pub fn inspect(disks: Vec<Disk>, memory: MemoryBudget) -> InspectedImage {
    let started = Instant::now();
    let mut watch = Stopwatch::default();
    let observed = watch.time(TimedStage::Volumes, || volumes::observe(disks, memory));
    let systems = watch.time(TimedStage::Systems, || Systems::on(&observed.volumes));
    let mut inspection = Inspection::default();
    for (drive, _) in &observed.disks {
        inspection.image.drives.entry(drive.clone()).or_default();
    }
    for problem in observed.problems {
        inspection.unreadable(problem);
    }
    for (index, volume) in observed.volumes.iter().enumerate() {
        let (report, findings) = watch.time(TimedStage::Facts, || systems.read(index, volume));
        inspection.add(volume, report, findings);
    }
    for (_, disk) in &observed.disks {
        inspection.image.stats += disk.stats();
    }
    inspection.image.stats.stages = watch.stages();
    inspection.conclude(started)
}

/// A system and the mounts of its tree.
struct System {
    installed: Installed,
    mounts: Vec<PlannedMount>,
    /// The reason why the tree may be incomplete.
    problem: Option<Problem>,
}

/// The systems of an image.
struct Systems<'a> {
    volumes: &'a [ProbedVolume],
    /// For each volume its system, or the reason why that is not known.
    by_volume: Vec<Result<Option<System>, Problem>>,
}

impl<'a> Systems<'a> {
    fn on(volumes: &'a [ProbedVolume]) -> Self {
        let names: Vec<_> = volumes.iter().map(|volume| &volume.names).collect();
        let find = |(index, volume): (usize, &ProbedVolume)| {
            let Some(mut installed) = catch_panic(volume.kind, || system::find(index, volumes))?
            else {
                return Ok(None);
            };
            let fstab = catch_panic(volume.kind, || system::fstab(&installed, volumes));
            let problem = fstab.map(|fstab| installed.fstab = fstab).err();
            Ok(Some(System {
                mounts: layout::mounts(&installed, &names),
                installed,
                problem: problem.map(|Problem { code, message, .. }| {
                    Problem::new(code, format!("reading {}: {message}", fstab::PATH))
                }),
            }))
        };
        Self {
            volumes,
            by_volume: volumes.iter().enumerate().map(find).collect(),
        }
    }

    /// Returns the report on a volume, and the findings in its files or the reason why they can't be read.
    fn read(
        &self,
        index: usize,
        volume: &ProbedVolume,
    ) -> (InspectedPartition, Result<Findings, Problem>) {
        let mut report = InspectedPartition {
            filesystem: volume.kind.map(str::to_owned),
            mounted_at: self.place(index).map(str::to_owned),
            ..InspectedPartition::default()
        };
        let findings = match &volume.contents {
            Contents::Unknown(why) => Err(why.clone()),
            Contents::Nothing(reason) => {
                report.skipped = Some(reason.clone());
                Ok(Findings::default())
            }
            Contents::FileSystem(fs) => match &self.by_volume[index] {
                Ok(Some(system)) => {
                    let root = system.installed.root();
                    report.root = Some(root).filter(|root| root != "/");
                    self.read_system(system, volume)
                }
                // Its files are part of a system, and were read there.
                Ok(None) if report.mounted_at.is_some() => Ok(Findings::default()),
                Ok(None) => catch_panic(volume.kind, || Ok(gather_data(&**fs, volume))),
                Err(why) => Err(why.clone()),
            },
        };
        (report, findings)
    }

    fn read_system(&self, system: &System, volume: &ProbedVolume) -> Result<Findings, Problem> {
        let mut findings = catch_panic(volume.kind, || {
            let System {
                installed, mounts, ..
            } = system;
            let root = system::compose(installed, mounts, self.volumes)?;
            Ok(facts::gather(&root, &volume.name))
        })?;
        findings.problems.extend(system.problem.clone());
        Ok(findings)
    }

    /// Returns the mount point of a volume in the first system with it.
    fn place(&self, volume: usize) -> Option<&str> {
        if let Some(Ok(Some(_))) = self.by_volume.get(volume) {
            return Some("/");
        }
        let systems = self
            .by_volume
            .iter()
            .filter_map(|found| found.as_ref().ok()?.as_ref());
        systems
            .filter_map(|system| layout::place(&system.mounts, volume))
            .next()
    }
}

/// Reads a file system that is part of no system, as the original did.
fn gather_data(fs: &dyn FileSystem, volume: &ProbedVolume) -> Findings {
    facts::gather(&Root::at(fs, &fs.top()), &volume.name)
}

/// Turns a panic into a problem: a bug in a reader costs one volume, not the others' results.
fn catch_panic<T>(
    kind: Option<&str>,
    read: impl FnOnce() -> Result<T, FileSystemError>,
) -> Result<T, Problem> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| Problem::new(error.code(), error.to_string())),
        Err(panic) => {
            let kind = kind.unwrap_or("it");
            let message = format!("the reader of {kind} failed: {}", panic_message(&*panic));
            Err(Problem::new(ProblemCode::ReaderFailed, message))
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The result so far.
#[derive(Default)]
struct Inspection {
    image: InspectedImage,
    seen: Vec<PartitionFindings>,
}

impl Inspection {
    fn add(
        &mut self,
        volume: &ProbedVolume,
        mut report: InspectedPartition,
        findings: Result<Findings, Problem>,
    ) {
        let (findings, problems) = match findings {
            Ok(mut findings) => {
                let problems = std::mem::take(&mut findings.problems);
                (findings, problems)
            }
            Err(problem) => (Findings::default(), vec![problem]),
        };
        if !problems.is_empty() {
            let messages: Vec<_> = problems.iter().map(|one| &*one.message).collect();
            let error = messages.join("; ");
            self.image.errors.push(format!("{}: {error}", volume.name));
            report.error = Some(error);
            let problems = problems.into_iter().map(|one| one.at(&volume.name));
            self.image.problems.extend(problems);
        }
        self.image.readable |= report.error.is_none() && report.skipped.is_none();
        self.seen.push(PartitionFindings {
            evidence: !findings.evidence.is_empty(),
            distribution: findings.distribution.is_some(),
            unreadable: report.error.is_some(),
        });
        report.facts = self.merge(findings);
        let drive = self.image.drives.entry(volume.drive.clone()).or_default();
        drive.insert(volume.name.clone(), report);
    }

    /// Adds the findings on one partition to the image.
    fn merge(&mut self, findings: Findings) -> Facts {
        let Findings {
            facts,
            distribution,
            evidence,
            ..
        } = findings;
        let image = &mut self.image;
        if facts.rhel_release_files.rhel_found == Some(true) {
            image.rhel_release_files_found = true;
            // RHEL 6 and earlier have no os-release, but a version in their release file.
            let version = || {
                facts
                    .os_version
                    .clone()
                    .or_else(|| distribution.as_ref()?.version.clone())
            };
            image.rhel_version = image.rhel_version.take().or_else(version);
        }
        image.rhel_product_certs_found |= facts.rhel_product_certs.rhel_found == Some(true);
        image.rhel_enabled_repos_found |= facts.rhel_enabled_repos.rhel_found == Some(true);
        image.rhel_signed_packages_found |= facts.rhel_signed_packages.rhel_found == Some(true);
        image.evidence.extend(evidence);
        image.distribution = image.distribution.take().or(distribution);
        if image.syspurpose.is_none() {
            image.syspurpose = facts
                .syspurpose_contents
                .as_deref()
                .and_then(system_purpose::parse);
        }
        facts
    }

    fn unreadable(&mut self, problem: Problem) {
        self.image.errors.push(problem.to_string());
        self.image.problems.push(problem);
        self.seen.push(PartitionFindings {
            unreadable: true,
            ..PartitionFindings::default()
        });
    }

    fn conclude(self, started: Instant) -> InspectedImage {
        let Self { mut image, seen } = self;
        image.verdict = verdict(&seen);
        image.rhel_found = !image.evidence.is_empty();
        if !image.rhel_found {
            image.syspurpose = None;
        }
        if image.errors.is_empty() && image.distribution.is_none() && !image.rhel_found {
            let problem = Problem::new(
                ProblemCode::NoDistribution,
                "no Linux distribution was found",
            );
            image.errors.push(problem.to_string());
            image.problems.push(problem);
        }
        image.stats.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        image
    }
}
