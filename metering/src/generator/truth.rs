//! The truth that reading the generated files must lead to.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::account::GeneratedAccount;
use super::disks::GeneratedDisk;
use super::envelope::REGIONS;
use super::lives::CallKind;
use super::numbers::RunningChanges;
use crate::cloudtrail::{EventKind, InstanceEvent};

/// The truth about an account, or about several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Truth {
    /// Every event once, by time.
    pub events: Vec<InstanceEvent>,
    /// By instance and start.
    pub runs: Vec<GeneratedRun>,
    /// Images, with true for those that carry the tag for RHEL in the end.
    pub images: BTreeMap<String, bool>,
    /// Their descriptions and disks.
    pub disks: BTreeMap<String, GeneratedDisk>,
    /// For every organization and account and every day on which something ran.
    pub daily: Vec<Daily>,
}

/// A true run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GeneratedRun {
    /// Organization.
    pub org_id: String,
    /// AWS account.
    pub account_id: String,
    /// AWS region.
    pub region: String,
    /// EC2 instance.
    pub instance_id: String,
    /// First moment at which it ran.
    pub start: Timestamp,
    /// First moment at which it did not; `None` if it went on.
    pub end: Option<Timestamp>,
    /// Type of the instance.
    pub instance_type: String,
    /// Image of the instance.
    pub image_id: String,
}

/// The highest number of instances at once on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Daily {
    /// Organization.
    pub org_id: String,
    /// One account of it, or `None` for all of them together.
    pub account_id: Option<String>,
    /// The day.
    pub date: Date,
    /// Instances of images that are tagged as RHEL in the end.
    pub rhel: u64,
    /// Instances of any image.
    pub all: u64,
}

/// Totals of the files made, and the counts of their records by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files that can be read.
    pub files: u64,
    /// Further files that are damaged. They are not part of the numbers below.
    pub damaged_files: u64,
    /// Bytes of the log files, not compressed.
    pub bytes: u64,
    /// Records in them.
    pub records: u64,
    /// Records about power, types or metering tags, repetitions included.
    pub relevant: u64,
    /// Records of other services.
    pub other_source: u64,
    /// Calls that were refused or failed.
    pub failed_call: u64,
    /// Calls of EC2 that only read.
    pub read_only: u64,
    /// Other calls of EC2.
    pub irrelevant: u64,
    /// Malformed records.
    pub malformed: u64,
}

impl Totals {
    /// Adds the totals of other files.
    pub fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.damaged_files += other.damaged_files;
        self.bytes += other.bytes;
        self.records += other.records;
        self.relevant += other.relevant;
        self.other_source += other.other_source;
        self.failed_call += other.failed_call;
        self.read_only += other.read_only;
        self.irrelevant += other.irrelevant;
        self.malformed += other.malformed;
    }
}

impl Truth {
    pub(super) fn of(account: &GeneratedAccount, first: Date, days: u32) -> Self {
        let mut truth = Self {
            events: events(account),
            runs: runs(account),
            images: account
                .lives
                .images
                .iter()
                .map(|image| (image.id.clone(), image.rhel))
                .collect(),
            disks: account
                .lives
                .images
                .iter()
                .map(|image| (image.id.clone(), GeneratedDisk::of(&image.id)))
                .collect(),
            daily: Vec::new(),
        };
        let all = truth.runs.iter();
        truth.daily = daily(
            &account.org_id(),
            Some(account.id()),
            all,
            &truth.images,
            first,
            days,
        );
        truth
    }

    /// Merges the truth about several accounts, and adds the daily numbers of organizations.
    pub fn merge(accounts: impl IntoIterator<Item = Self>, first: Date, days: u32) -> Self {
        let mut merged = Self::default();
        for truth in accounts {
            merged.events.extend(truth.events);
            merged.runs.extend(truth.runs);
            merged.images.extend(truth.images);
            merged.disks.extend(truth.disks);
            merged.daily.extend(truth.daily);
        }
        merged.events.sort_by(|a, b| {
            (a.at, &a.event_id, &a.instance_id).cmp(&(b.at, &b.event_id, &b.instance_id))
        });
        merged.runs.sort_unstable();
        for runs in merged.runs.chunk_by(|a, b| a.org_id == b.org_id) {
            merged.daily.extend(daily(
                &runs[0].org_id,
                None,
                runs.iter(),
                &merged.images,
                first,
                days,
            ));
        }
        merged.daily.sort_unstable();
        merged
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

fn runs(account: &GeneratedAccount) -> Vec<GeneratedRun> {
    let lives = &account.lives;
    let runs = lives.instances.iter().flat_map(|instance| {
        let image = &lives.images[instance.image];
        instance
            .runs
            .iter()
            .map(move |(start, end, instance_type)| GeneratedRun {
                org_id: account.org_id(),
                account_id: account.id().to_owned(),
                region: REGIONS[image.region].to_owned(),
                instance_id: instance.id.clone(),
                start: time(*start),
                end: end.map(time),
                instance_type: (*instance_type).to_owned(),
                image_id: image.id.clone(),
            })
    });
    let mut runs: Vec<_> = runs.collect();
    runs.sort_unstable();
    runs
}

fn events(account: &GeneratedAccount) -> Vec<InstanceEvent> {
    let lives = &account.lives;
    // Auto Scaling's own call ends nothing.
    let calls = lives
        .calls
        .iter()
        .filter(|call| call.kind != CallKind::ScaleIn);
    let events = calls.flat_map(|call| {
        let kind = match call.kind {
            CallKind::Launch { .. } | CallKind::Start => EventKind::PowerOn,
            CallKind::Resize { .. } => EventKind::AttributeChange,
            _ => EventKind::PowerOff,
        };
        let launch = matches!(call.kind, CallKind::Launch { .. });
        call.instances
            .iter()
            .map(move |(instance, instance_type)| InstanceEvent {
                event_id: call.event_id.clone(),
                account_id: account.id().to_owned(),
                region: REGIONS[call.region].to_owned(),
                instance_id: lives.instances[*instance].id.clone(),
                image_id: launch.then(|| lives.images[call.image].id.clone()),
                instance_type: (launch || kind == EventKind::AttributeChange)
                    .then(|| (*instance_type).to_owned()),
                at: time(call.at),
                kind,
            })
    });
    let mut events: Vec<_> = events.collect();
    events.sort_by(|a, b| {
        (a.at, &a.event_id, &a.instance_id).cmp(&(b.at, &b.event_id, &b.instance_id))
    });
    events
}

/// The days on which something ran.
fn daily<'a>(
    org_id: &str,
    account_id: Option<&str>,
    runs: impl Iterator<Item = &'a GeneratedRun>,
    images: &BTreeMap<String, bool>,
    first: Date,
    days: u32,
) -> Vec<Daily> {
    let (mut rhel, mut all) = (RunningChanges::default(), RunningChanges::default());
    for run in runs {
        all.add(run);
        if images.get(&run.image_id) == Some(&true) {
            rhel.add(run);
        }
    }
    let rhel = rhel.most_by_day(first, days).into_iter();
    let all = all.most_by_day(first, days).into_iter();
    let days = rhel.zip(all).filter(|(_, (_, all))| *all > 0);
    days.map(|((date, rhel), (_, all))| Daily {
        org_id: org_id.to_owned(),
        account_id: account_id.map(str::to_owned),
        date,
        rhel,
        all,
    })
    .collect()
}
