//! From the disks of an image to its part of the report.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::facts::{self, Findings, system_purpose};
use crate::filesystem::{self, Content, Root};
use crate::partition;
use crate::report::{Image, Partition};
use crate::source::{BlockSource, Window};
use crate::verdict::{Seen, verdict};

/// A disk of an image, or why it could not be opened.
pub struct Disk {
    /// How the report calls it.
    pub name: String,
    /// Its blocks.
    pub source: io::Result<Arc<dyn BlockSource>>,
}

/// Inspects all disks of an image.
///
/// Nothing makes this fail: what can't be read is an error in the report. It takes as long as the sources let it: give them a
/// [`Deadline`](crate::source::Deadline). A damaged disk may even keep a reader busy without a read, so a caller who must
/// not hang runs this on a thread that it can leave behind.
pub fn inspect(disks: Vec<Disk>) -> Image {
    let started = Instant::now();
    let mut inspection = Inspection::default();
    for disk in disks {
        match disk.source {
            Ok(source) => inspection.disk(&disk.name, source),
            Err(error) => inspection.unreadable(&disk.name, &error.to_string()),
        }
    }
    inspection.conclude(started)
}

/// What has been found so far.
#[derive(Default)]
struct Inspection {
    image: Image,
    seen: Vec<Seen>,
}

impl Inspection {
    fn disk(&mut self, drive: &str, disk: Arc<dyn BlockSource>) {
        if disk.size() == 0 {
            return self.unreadable(drive, "it is empty");
        }
        match partition::read(&*disk) {
            Ok(table) => {
                for problem in &table.problems {
                    self.unreadable(drive, problem);
                }
                let partitions = table
                    .partitions
                    .iter()
                    .map(|part| self.partition(drive, &disk, part))
                    .collect();
                self.image.drives.insert(drive.into(), partitions);
            }
            Err(error) => self.unreadable(drive, &format!("reading the partition table: {error}")),
        }
        self.image.stats += disk.stats();
    }

    fn partition(
        &mut self,
        drive: &str,
        disk: &Arc<dyn BlockSource>,
        part: &partition::Partition,
    ) -> (String, Partition) {
        let name = partition_name(drive, part.number);
        let mut report = Partition::default();
        // A reader of somebody else's that panics on a damaged disk must not take the other partitions' results along.
        let findings = catch_unwind(AssertUnwindSafe(|| {
            read_partition(disk, part, &name, &mut report)
        }));
        let mut findings = findings.unwrap_or_else(|panic| {
            Err(format!(
                "the reader of {} failed: {}",
                report.filesystem.as_deref().unwrap_or("it"),
                panic_message(&*panic)
            ))
        });
        match &mut findings {
            Ok(findings) if findings.problems.is_empty() => {
                self.image.readable |= report.skipped.is_none()
            }
            Ok(findings) => report.error = Some(findings.problems.join("; ")),
            Err(error) => report.error = Some(std::mem::take(error)),
        }
        if let Some(error) = &report.error {
            self.image.errors.push(format!("{name}: {error}"));
        }
        let findings = findings.unwrap_or_default();
        self.seen.push(Seen {
            evidence: !findings.evidence.is_empty(),
            distribution: findings.distribution.is_some(),
            unreadable: report.error.is_some(),
        });
        report.facts = self.merge(findings);
        (name, report)
    }

    /// Adds to the image what one of its partitions holds.
    fn merge(&mut self, findings: Findings) -> crate::report::Facts {
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

    fn unreadable(&mut self, what: &str, why: &str) {
        self.image.errors.push(format!("{what}: {why}"));
        self.seen.push(Seen {
            unreadable: true,
            ..Seen::default()
        });
    }

    fn conclude(self, started: Instant) -> Image {
        let Self { mut image, seen } = self;
        image.verdict = verdict(&seen);
        image.rhel_found = !image.evidence.is_empty();
        if !image.rhel_found {
            image.syspurpose = None;
        }
        if image.errors.is_empty() && image.distribution.is_none() && !image.rhel_found {
            image.errors.push("no Linux distribution was found".into());
        }
        image.stats.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        image
    }
}

/// What is on one partition. `report` tells, whatever happens, what it was taken for.
fn read_partition(
    disk: &Arc<dyn BlockSource>,
    part: &partition::Partition,
    name: &str,
    report: &mut Partition,
) -> Result<Findings, String> {
    if part.start >= disk.size() {
        return Err(format!(
            "it begins at byte {}, but the disk ends at {}",
            part.start,
            disk.size()
        ));
    }
    let window = Arc::new(Window::new(Arc::clone(disk), part.start, part.size));
    let content = Content::probe(&*window).map_err(|error| error.to_string())?;
    report.filesystem = content.name().map(str::to_owned);
    if let Some(reason) = content.no_linux(part.purpose) {
        report.skipped = Some(reason.into());
        return Ok(Findings::default());
    }
    let fs = filesystem::open(content, window).map_err(|error| error.to_string())?;
    Ok(facts::gather(&Root::new(&*fs), name))
}

/// `/dev/sda1`, but `/dev/loop0p1`: as the kernel and `fdisk` name partitions. The id of a snapshot ends with a digit or not by chance.
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

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests;
