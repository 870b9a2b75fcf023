//! Concurrent usage: the highest number of RHEL instances at once, day by day.

use std::collections::HashMap;

use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};

use super::Period;

/// A run of an instance whose image counts as RHEL, with the dimensions usage is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RhelRun {
    /// First moment at which the instance runs.
    pub start: Timestamp,
    /// First moment at which it does not; `None` while it runs.
    pub end: Option<Timestamp>,
    /// Architecture of its image, empty if unknown. So are the following.
    pub arch: String,
    /// System purpose: role.
    pub role: String,
    /// System purpose: service level agreement.
    pub sla: String,
    /// System purpose: usage.
    pub usage: String,
    /// System purpose: service type.
    pub service_type: String,
}

/// The highest number of instances that ran at once, for one choice of dimensions. A dimension that does not matter to
/// the choice is [`ANY`]; one that matters and is not known is the empty string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "MaximumCount")
)]
pub struct Count {
    /// Architecture.
    pub arch: String,
    /// Role.
    pub role: String,
    /// Service level agreement.
    pub sla: String,
    /// Usage.
    pub usage: String,
    /// Service type.
    pub service_type: String,
    /// Highest number of instances at once.
    pub instances_count: u64,
}

impl Count {
    /// True for the number over all values of all dimensions.
    pub fn is_of_any(&self) -> bool {
        [
            &self.arch,
            &self.role,
            &self.sla,
            &self.usage,
            &self.service_type,
        ]
        .iter()
        .all(|value| *value == ANY)
    }
}

/// Value of a dimension that does not matter, in a [`Count`].
pub const ANY: &str = "_ANY";

/// Returns the highest numbers of RHEL instances that ran at once on one day (UTC), sorted by dimensions; empty if none
/// ran.
///
/// Each run counts under 24 keys, from which clients select one (`docs/design/original.md#concurrent-usage`): (any role and arch, its
/// arch, its role) × (any sla, its sla) × the same for usage and service type. Runs are half-open: one that ends at
/// midnight is no part of the next day, and an instance that takes over from another at the same moment makes one
/// instance at once, not two.
pub fn maximum_counts(day: Date, runs: &[RhelRun]) -> Vec<Count> {
    daily_maximum_counts(day, day, runs)
        .pop()
        .map(|(_, counts)| counts)
        .unwrap_or_default()
}

/// [`maximum_counts`] of every day from `first` to `last`, in one pass over the runs.
pub fn daily_maximum_counts(first: Date, last: Date, runs: &[RhelRun]) -> Vec<(Date, Vec<Count>)> {
    let period = Period::of_days(first, last);
    let mut keys = Keys::default();
    let mut points: Vec<Point> = Vec::new();
    for run in runs {
        let Some(part) = period.clip(run.start, run.end) else {
            continue;
        };
        let profile = keys.profile(run);
        points.push(Point {
            at: part.start,
            change: Change::Start,
            profile,
        });
        if part.end < period.end {
            points.push(Point {
                at: part.end,
                change: Change::End,
                profile,
            });
        }
    }
    points.sort_unstable_by_key(|point| (point.at, point.change));

    let mut points = points.into_iter().peekable();
    let mut running = vec![0_u64; keys.indexes.len()];
    let mut days = Vec::new();
    for day in first.series(1.day()).take_while(|day| *day <= last) {
        let Period { start, end } = Period::of_day(day);
        // Runs that end as the day begins are no part of it.
        while let Some(point) =
            points.next_if(|point| (point.at, point.change) <= (start, Change::End))
        {
            keys.apply(&point, &mut running, |_, _| {});
        }
        let mut highest = running.clone();
        while let Some(point) = points.next_if(|point| point.at < end) {
            keys.apply(&point, &mut running, |key, now| {
                highest[key] = highest[key].max(now)
            });
        }
        days.push((day, keys.counts(&highest)));
    }
    days
}

/// The number of running instances changes.
struct Point {
    at: Timestamp,
    change: Change,
    profile: usize,
}

/// In this order at equal times: ends make room for starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    End,
    Start,
}

/// The values of arch, role, sla, usage and service type.
type Dimensions<'a> = [&'a str; 5];

/// The keys that the runs of a day count under. Many runs share few combinations of dimensions, so each
/// combination (profile) is expanded into its keys once and the sweep deals in numbers.
#[derive(Default)]
struct Keys<'a> {
    indexes: HashMap<Dimensions<'a>, usize>,
    profiles: Vec<Vec<usize>>,
    profile_of: HashMap<Dimensions<'a>, usize>,
}

impl<'a> Keys<'a> {
    fn profile(&mut self, run: &'a RhelRun) -> usize {
        let own: Dimensions<'a> = [
            &run.arch,
            &run.role,
            &run.sla,
            &run.usage,
            &run.service_type,
        ];
        if let Some(&profile) = self.profile_of.get(&own) {
            return profile;
        }
        let mut profile: Vec<usize> = expand(own)
            .map(|key| {
                let next = self.indexes.len();
                *self.indexes.entry(key).or_insert(next)
            })
            .collect();
        // A customer may call a dimension "_ANY"; the run still counts once under each key.
        profile.sort_unstable();
        profile.dedup();
        self.profiles.push(profile);
        self.profile_of.insert(own, self.profiles.len() - 1);
        self.profiles.len() - 1
    }

    /// Changes the number of running instances under every key of the point, and passes each new number on.
    fn apply(&self, point: &Point, running: &mut [u64], mut changed: impl FnMut(usize, u64)) {
        for &key in &self.profiles[point.profile] {
            match point.change {
                Change::End => running[key] -= 1,
                Change::Start => running[key] += 1,
            }
            changed(key, running[key]);
        }
    }

    fn counts(&self, highest: &[u64]) -> Vec<Count> {
        let mut counts: Vec<Count> = self
            .indexes
            .iter()
            .filter(|(_, index)| highest[**index] > 0)
            .map(|([arch, role, sla, usage, service_type], index)| Count {
                arch: (*arch).to_owned(),
                role: (*role).to_owned(),
                sla: (*sla).to_owned(),
                usage: (*usage).to_owned(),
                service_type: (*service_type).to_owned(),
                instances_count: highest[*index],
            })
            .collect();
        counts.sort_unstable();
        counts
    }
}

fn expand(
    [arch, role, sla, usage, service_type]: Dimensions<'_>,
) -> impl Iterator<Item = Dimensions<'_>> {
    // Role and architecture are never chosen together.
    [(ANY, ANY), (arch, ANY), (ANY, role)]
        .into_iter()
        .flat_map(move |(arch, role)| {
            (0..8_u8).map(move |chosen| {
                let pick = |bit: u8, value| if chosen & bit == 0 { ANY } else { value };
                [
                    arch,
                    role,
                    pick(1, sla),
                    pick(2, usage),
                    pick(4, service_type),
                ]
            })
        })
}

#[cfg(test)]
mod tests;
