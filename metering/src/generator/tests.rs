use std::collections::{BTreeMap, HashMap};

use super::{Config, GeneratedAccount, Truth};
use crate::cloudtrail::{self, ImageTag, InstanceEvent, Skipped, Tag};
use crate::image::{ImageAttributes, classify};
use crate::runs;
use crate::usage::{RhelRun, daily_maximum_counts};

fn config() -> Config {
    Config {
        instances: 40,
        damaged: 0.1,
        broken: 0.01,
        duplicates: 0.1,
        late: 0.1,
        ..Config::default()
    }
}

/// The result of reading the files of an account, every event once.
#[derive(Default)]
struct Read {
    events: HashMap<(String, String), InstanceEvent>,
    tags: Vec<ImageTag>,
    skipped: Skipped,
    records: u64,
}

fn read(account: &GeneratedAccount) -> Read {
    let mut read = Read::default();
    for file in account.files().filter(|file| !file.is_damaged()) {
        assert_eq!(cloudtrail::account_of_key(&file.key), Some(account.id()));
        let log = cloudtrail::parse(file.json.as_bytes()).expect("a log file");
        read.records += log.records;
        for event in log.instance_events {
            read.events
                .insert((event.event_id.clone(), event.instance_id.clone()), event);
        }
        read.tags.extend(log.image_tags);
        read.skipped.other_source += log.skipped.other_source;
        read.skipped.failed_call += log.skipped.failed_call;
        read.skipped.read_only += log.skipped.read_only;
        read.skipped.irrelevant += log.skipped.irrelevant;
        read.skipped.malformed += log.skipped.malformed;
    }
    read
}

#[test]
fn the_same_seed_gives_the_same_files_and_another_seed_others() {
    let files = |seed| {
        let config = Config { seed, ..config() };
        GeneratedAccount::new(&config, 1)
            .files()
            .take(20)
            .collect::<Vec<_>>()
    };
    assert_eq!(files(1), files(1));
    assert_ne!(files(1), files(2));
}

#[test]
fn what_is_read_is_what_was_made() {
    for number in 0..config().accounts {
        let account = GeneratedAccount::new(&config(), number);
        let truth = account.truth();
        let read = read(&account);
        let mut events: Vec<_> = read.events.values().cloned().collect();
        events.sort_by(|a, b| {
            (a.at, &a.event_id, &a.instance_id).cmp(&(b.at, &b.event_id, &b.instance_id))
        });
        assert_eq!(events, truth.events);
        let mut newest: BTreeMap<_, &ImageTag> = BTreeMap::new();
        for tag in read.tags.iter().filter(|tag| tag.tag == Tag::Rhel) {
            let kept = newest.entry(tag.image_id.clone()).or_insert(tag);
            if kept.at < tag.at {
                *kept = tag;
            }
        }
        let tagged: BTreeMap<_, _> = newest
            .into_iter()
            .map(|(image, tag)| (image, tag.present))
            .collect();
        assert_eq!(tagged, truth.images);
    }
}

#[test]
fn records_are_counted_as_they_were_made() {
    let account = GeneratedAccount::new(&config(), 0);
    let mut files = account.files();
    let damaged = files
        .by_ref()
        .filter(super::GeneratedFile::is_damaged)
        .count() as u64;
    let totals = files.totals();
    let read = read(&account);
    assert_eq!(
        (totals.records, totals.damaged_files),
        (read.records, damaged)
    );
    assert!(damaged > 0, "something to be wrong");
    assert_eq!(
        [
            totals.other_source,
            totals.failed_call,
            totals.read_only,
            totals.irrelevant,
            totals.malformed
        ],
        [
            read.skipped.other_source,
            read.skipped.failed_call,
            read.skipped.read_only,
            read.skipped.irrelevant,
            read.skipped.malformed
        ]
    );
    assert!(totals.malformed > 0 && totals.failed_call > 0);
    let share = totals.relevant as f64 / totals.records as f64;
    assert!((0.04..0.065).contains(&share), "{share}");
    let size = totals.bytes / totals.records;
    assert!((1_500..1_900).contains(&size), "{size} bytes a record");
}

/// The whole way, from files to the numbers of a day.
#[test]
fn runs_and_daily_numbers_come_out_as_they_were() {
    let config = config();
    let accounts: Vec<_> = (0..config.accounts)
        .map(|number| GeneratedAccount::new(&config, number))
        .collect();
    let truth = Truth::merge(
        accounts.iter().map(GeneratedAccount::truth),
        config.first,
        config.days,
    );

    let mut derived = Vec::new();
    let mut rhel: BTreeMap<String, Vec<RhelRun>> = BTreeMap::new();
    let mut tagged = rhel.clone();
    for account in &accounts {
        let mut of_instance: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for event in read(account).events.into_values() {
            of_instance
                .entry((event.instance_id.clone(), event.region.clone()))
                .or_default()
                .push(event);
        }
        for ((instance_id, region), events) in of_instance {
            let image_id = events
                .iter()
                .find_map(|event| event.image_id.clone())
                .expect("a launch");
            let events = events.into_iter().map(|event| runs::Event {
                at: event.at,
                kind: event.kind,
                id: event.event_id,
                instance_type: event.instance_type,
            });
            for run in runs::runs(events.collect()) {
                let disk = &truth.disks[&image_id];
                let attributes = ImageAttributes {
                    rhel_tag: truth.images[&image_id],
                    inspected: disk.findings.clone(),
                    ..ImageAttributes::default()
                };
                let counts = classify(&attributes).counts();
                let stated = attributes.inspected.unwrap_or_default().syspurpose;
                let rhel_run = RhelRun {
                    start: run.start,
                    end: run.end,
                    arch: disk.architecture.clone(),
                    role: stated.role,
                    sla: stated.sla,
                    usage: stated.usage,
                    service_type: stated.service_type,
                };
                if attributes.rhel_tag {
                    tagged
                        .entry(account.org_id())
                        .or_default()
                        .push(rhel_run.clone());
                }
                if counts {
                    rhel.entry(account.org_id()).or_default().push(rhel_run);
                }
                derived.push(super::GeneratedRun {
                    org_id: account.org_id(),
                    account_id: account.id().to_owned(),
                    region: region.clone(),
                    instance_id: instance_id.clone(),
                    start: run.start,
                    end: run.end,
                    instance_type: run.instance_type.expect("a type"),
                    image_id: image_id.clone(),
                });
            }
        }
    }
    derived.sort_unstable();
    assert_eq!(derived, truth.runs);

    let last = config
        .first
        .checked_add(jiff::Span::new().days(i64::from(config.days) - 1))
        .expect("a day");
    let mut counts = Vec::new();
    for (org_id, runs) in rhel {
        for (date, of_day) in daily_maximum_counts(config.first, last, &runs) {
            counts.extend(
                of_day
                    .into_iter()
                    .map(|count| (org_id.clone(), date, count)),
            );
        }
    }
    counts.sort_unstable();
    let mut expected = truth.counts(config.first, config.days);
    expected.sort_unstable();
    assert_eq!(counts, expected);
    for (org_id, runs) in tagged {
        for (date, of_day) in daily_maximum_counts(config.first, last, &runs) {
            let any = of_day.iter().find(|count| count.is_of_any());
            let daily = truth.daily.iter().find(|daily| {
                daily.org_id == org_id && daily.account_id.is_none() && daily.date == date
            });
            assert_eq!(
                any.map_or(0, |count| count.instances_count),
                daily.map_or(0, |daily| daily.rhel),
                "by tags alone, {org_id} on {date}"
            );
        }
    }
}
