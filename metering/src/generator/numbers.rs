//! The numbers that follow from the truth, derived in another way than by the code under test: every key of every run has
//! its own list of changes.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::truth::{GeneratedRun, Truth};
use crate::usage::{ANY, Count, Size};

const DAY: i64 = 86_400;

/// Time that instances of one group ran, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[expect(missing_docs, reason = "named as in the report of hours")]
pub struct TrueHours {
    pub org_id: String,
    pub distribution: String,
    pub account_id: String,
    pub image_id: String,
    pub instance_type: String,
    pub region: String,
    pub seconds: i64,
    /// Each second times the vCPUs; `None` if the size is not known.
    pub vcpu_seconds: Option<i64>,
    /// Each second times the MiB of memory; `None` if the size is not known.
    pub memory_mib_seconds: Option<i64>,
    /// The seconds without a size.
    pub unsized_seconds: i64,
}

/// Returns the size of a generated instance type; `None` for the one that EC2 does not describe.
pub fn size(instance_type: &str) -> Option<Size> {
    let (vcpus, memory_mib) = match instance_type {
        "m5.large" => (2, 8_192),
        "m5.xlarge" => (4, 16_384),
        "c6g.large" => (2, 4_096),
        "r6i.2xlarge" => (8, 65_536),
        _ => return None,
    };
    Some(Size { vcpus, memory_mib })
}

impl Truth {
    /// Returns the highest numbers of RHEL instances at once by organization, day and all 24 keys, once all images are
    /// described and inspected. Numbers of zero are left out.
    pub fn counts(&self, first: Date, days: u32) -> Vec<(String, Date, Count)> {
        let mut counts = Vec::new();
        for runs in self.runs.chunk_by(|a, b| a.org_id == b.org_id) {
            let mut changes: BTreeMap<[&str; 5], RunningChanges> = BTreeMap::new();
            for run in runs {
                let Some(dimensions) = self.dimensions(&run.image_id) else {
                    continue;
                };
                for key in keys(dimensions) {
                    changes.entry(key).or_default().add(run);
                }
            }
            for (key, changes) in changes {
                let [arch, role, sla, usage, service_type] = key.map(str::to_owned);
                let count = |instances_count| Count {
                    arch: arch.clone(),
                    role: role.clone(),
                    sla: sla.clone(),
                    usage: usage.clone(),
                    service_type: service_type.clone(),
                    instances_count,
                };
                let most = changes.most_by_day(first, days).into_iter();
                counts.extend(
                    most.filter(|(_, most)| *most > 0)
                        .map(|(date, most)| (runs[0].org_id.clone(), date, count(most))),
                );
            }
        }
        counts
    }

    /// Returns the time that instances ran within the days, by organization and all that hours can be grouped by, once all
    /// images are inspected and all types described.
    pub fn hours(&self, first: Date, days: u32) -> Vec<TrueHours> {
        let start = midnight(first);
        let end = start + i64::from(days) * DAY;
        let mut seconds: BTreeMap<[&str; 6], i64> = BTreeMap::new();
        for run in &self.runs {
            let group = [
                &*run.org_id,
                self.distribution(&run.image_id),
                &run.account_id,
                &run.image_id,
                &run.instance_type,
                &run.region,
            ];
            let until = run.end.map_or(end, |moment| moment.as_second().min(end));
            let length = until - run.start.as_second().max(start);
            if length > 0 {
                *seconds.entry(group).or_default() += length;
            }
        }
        let hours = |(group, seconds): ([&str; 6], i64)| {
            let size = size(group[4]);
            let [
                org_id,
                distribution,
                account_id,
                image_id,
                instance_type,
                region,
            ] = group.map(str::to_owned);
            TrueHours {
                org_id,
                distribution,
                account_id,
                image_id,
                instance_type,
                region,
                seconds,
                vcpu_seconds: size.map(|size| seconds * i64::from(size.vcpus)),
                memory_mib_seconds: size.map(|size| seconds * i64::from(size.memory_mib)),
                unsized_seconds: if size.is_some() { 0 } else { seconds },
            }
        };
        seconds.into_iter().map(hours).collect()
    }

    fn is_rhel(&self, image_id: &str) -> bool {
        let findings = self
            .disks
            .get(image_id)
            .and_then(|disk| disk.findings.as_ref());
        self.images.get(image_id) == Some(&true) || findings.is_some_and(|found| found.rhel)
    }

    /// Returns arch, role, SLA, usage and service type of an image that counts as RHEL.
    fn dimensions(&self, image_id: &str) -> Option<[&str; 5]> {
        let disk = self
            .disks
            .get(image_id)
            .filter(|_| self.is_rhel(image_id))?;
        let stated = disk.findings.as_ref().map(|found| &found.syspurpose);
        let [role, sla, usage, service_type] = stated.map_or([""; 4], |stated| {
            [
                &*stated.role,
                &stated.sla,
                &stated.usage,
                &stated.service_type,
            ]
        });
        Some([&disk.architecture, role, sla, usage, service_type])
    }

    fn distribution(&self, image_id: &str) -> &str {
        let disk = self.disks.get(image_id);
        let found = disk.and_then(|disk| disk.distribution.as_deref());
        let stated = if self.is_rhel(image_id) {
            "rhel"
        } else {
            "unknown"
        };
        found.unwrap_or(stated)
    }
}

/// Returns every choice of dimensions but those of both arch and role.
fn keys(values: [&str; 5]) -> impl Iterator<Item = [&str; 5]> {
    (0..32_u32)
        .filter(|chosen| chosen & 0b11 != 0b11)
        .map(move |chosen| {
            std::array::from_fn(|index| match chosen >> index & 1 {
                1 => values[index],
                _ => ANY,
            })
        })
}

fn midnight(date: Date) -> i64 {
    let zoned = date.to_zoned(TimeZone::UTC);
    zoned
        .map(|zoned| zoned.timestamp().as_second())
        .unwrap_or_default()
}

/// Changes of the number of running instances, by their moments.
#[derive(Default)]
pub(super) struct RunningChanges(BTreeMap<Timestamp, i64>);

impl RunningChanges {
    pub(super) fn add(&mut self, run: &GeneratedRun) {
        *self.0.entry(run.start).or_default() += 1;
        if let Some(end) = run.end {
            *self.0.entry(end).or_default() -= 1;
        }
    }

    /// Returns the highest number on every day.
    pub(super) fn most_by_day(&self, first: Date, days: u32) -> Vec<(Date, u64)> {
        let mut changes = self.0.iter().peekable();
        let mut running = 0;
        let mut most_by_day = Vec::new();
        for date in first.series(1.day()).take(days as usize) {
            let tomorrow = midnight(date) + DAY;
            let mut most = running;
            while let Some((at, change)) = changes.next_if(|(at, _)| at.as_second() < tomorrow) {
                running += change;
                // Runs that end as the day begins are no part of it.
                let begins = at.as_second() == tomorrow - DAY;
                most = if begins { running } else { most.max(running) };
            }
            most_by_day.push((date, most.unsigned_abs()));
        }
        most_by_day
    }
}
