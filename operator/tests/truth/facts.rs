//! The facts that must be in the database and the reports, and those that are.

use std::collections::BTreeSet;
use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;
use metering::cloudtrail::EventKind;
use metering::generator::{GeneratedDisk, GeneratedRun, TrueHours};
use metering::usage::{ANY, Count};

use super::{Failure, TruthDatabase, TruthWorld, reports};

/// In no order.
pub(crate) struct TrueFacts {
    /// Keys of the log files that were recorded
    files: Vec<String>,
    /// Records in them
    records: u64,
    events: Vec<EventRow>,
    runs: Vec<GeneratedRun>,
    /// Images that carry the tag for RHEL in the end
    tagged: Vec<String>,
    /// Images of instances, with the result of their inspection
    images: Vec<ImageRow>,
    /// The highest numbers of RHEL instances at once, by organization, day and key
    counts: Vec<(String, Date, Count)>,
    hours: Vec<TrueHours>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EventRow {
    account_id: String,
    region: String,
    instance_id: String,
    id: String,
    kind: String,
    at: Timestamp,
    instance_type: Option<String>,
}

impl TrueFacts {
    /// The facts of the generated world.
    pub(crate) fn of(world: &TruthWorld) -> Self {
        let truth = &world.truth;
        let events = truth.events.iter().map(|event| EventRow {
            account_id: event.account_id.clone(),
            region: event.region.clone(),
            instance_id: event.instance_id.clone(),
            id: event.event_id.clone(),
            kind: match event.kind {
                EventKind::PowerOn => "power_on",
                EventKind::PowerOff => "power_off",
                EventKind::AttributeChange => "attribute_change",
            }
            .into(),
            at: event.at,
            instance_type: event.instance_type.clone(),
        });
        let tagged = truth.images.iter().filter(|(_, tagged)| **tagged);
        let used: BTreeSet<&String> = truth.runs.iter().map(|run| &run.image_id).collect();
        let days = world.days;
        Self {
            files: world.good.clone(),
            records: world.totals.records,
            events: events.collect(),
            runs: truth.runs.clone(),
            tagged: tagged.map(|(image, _)| image.clone()).collect(),
            images: used
                .into_iter()
                .map(|id| ImageRow::of(id, &truth.disks[id]))
                .collect(),
            counts: truth.counts(world.first, days),
            hours: truth.hours(world.first, days),
        }
    }

    /// The facts in the database and the reports.
    pub(crate) async fn found(
        world: &TruthWorld,
        database: &TruthDatabase,
    ) -> Result<Self, Failure> {
        let pool = &database.pool;
        let files = sqlx::query_scalar("select key from log_file");
        let records = sqlx::query_scalar("select coalesce(sum(records), 0)::bigint from log_file");
        let tagged = sqlx::query_scalar("select image_id from image where rhel_tag");
        let records: i64 = records.fetch_one(pool).await?;
        let (counts, hours) = reports::read(world, database).await?;
        Ok(Self {
            files: files.fetch_all(pool).await?,
            records: records.try_into()?,
            events: events(database).await?,
            runs: runs(database).await?,
            tagged: tagged.fetch_all(pool).await?,
            images: images(database).await?,
            counts,
            hours,
        })
    }

    /// Fails with the differences between this truth and `found`, if any.
    pub(crate) fn compare(&self, found: &Self) -> Result<(), Failure> {
        same("files", &self.files, &found.files)?;
        same("records", &[self.records], &[found.records])?;
        same("events", &self.events, &found.events)?;
        same("runs", &self.runs, &found.runs)?;
        same("images tagged as RHEL", &self.tagged, &found.tagged)?;
        same("images", &self.images, &found.images)?;
        same("most at once on a day", &self.counts, &found.counts)?;
        same("hours", &self.hours, &found.hours)
    }

    /// Fails unless each of the 24 keys occurs with a known value of every dimension it chooses.
    pub(crate) fn covers_all_keys(&self) -> Result<(), Failure> {
        let chosen = |(_, _, count): &(String, Date, Count)| {
            let values = [
                &count.arch,
                &count.role,
                &count.sla,
                &count.usage,
                &count.service_type,
            ];
            let known = values.iter().all(|value| !value.is_empty());
            known.then(|| values.map(|value| value != ANY))
        };
        let keys: BTreeSet<[bool; 5]> = self.counts.iter().filter_map(chosen).collect();
        if keys.len() != 24 {
            return Err(format!(
                "this world has {} of 24 keys; a larger one has all",
                keys.len()
            )
            .into());
        }
        Ok(())
    }
}

async fn events(database: &TruthDatabase) -> Result<Vec<EventRow>, Failure> {
    type Row = (
        String,
        String,
        String,
        String,
        String,
        jiff_sqlx::Timestamp,
        Option<String>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select account_id, region, instance.instance_id, event_id, kind, occurred_at, instance_type
           from instance_event join instance on instance.id = instance join cloud_account on cloud_account.id = cloud_account",
    )
    .fetch_all(&database.pool)
    .await?;
    let event = |(account_id, region, instance_id, id, kind, at, instance_type): Row| EventRow {
        account_id,
        region,
        instance_id,
        id,
        kind,
        at: at.to_jiff(),
        instance_type,
    };
    Ok(rows.into_iter().map(event).collect())
}

async fn runs(database: &TruthDatabase) -> Result<Vec<GeneratedRun>, Failure> {
    type Time = jiff_sqlx::Timestamp;
    type Row = (
        String,
        String,
        String,
        String,
        Time,
        Option<Time>,
        String,
        String,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select org_id, account_id, instance.region, instance.instance_id, started_at, ended_at,
                coalesce(instance_type, ''), coalesce(image_id, '')
           from clipped_run as run
           join organization on organization.id = organization
           join cloud_account on cloud_account.id = run.cloud_account
           join instance on instance.id = instance
           left join image on image.id = image",
    )
    .fetch_all(&database.pool)
    .await?;
    let run =
        |(org_id, account_id, region, instance_id, start, end, instance_type, image_id): Row| {
            GeneratedRun {
                org_id,
                account_id,
                region,
                instance_id,
                start: start.to_jiff(),
                end: end.map(Time::to_jiff),
                instance_type,
                image_id,
            }
        };
    Ok(rows.into_iter().map(run).collect())
}

/// An image of an instance. Findings are empty without an inspection.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ImageRow {
    id: String,
    architecture: Option<String>,
    rhel_found: Option<bool>,
    distribution: Option<String>,
    /// Role, SLA, usage and service type
    syspurpose: [String; 4],
}

impl ImageRow {
    fn of(id: &str, disk: &GeneratedDisk) -> Self {
        let findings = disk.findings.clone();
        let stated = findings.clone().unwrap_or_default().syspurpose;
        Self {
            id: id.to_owned(),
            architecture: Some(disk.architecture.clone()),
            rhel_found: findings.map(|found| found.rhel),
            distribution: disk.distribution.clone(),
            syspurpose: [stated.role, stated.sla, stated.usage, stated.service_type],
        }
    }
}

async fn images(database: &TruthDatabase) -> Result<Vec<ImageRow>, Failure> {
    type Row = (
        String,
        Option<String>,
        Option<bool>,
        Option<String>,
        Vec<String>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select image_id, architecture, rhel_found, distribution,
                array(select coalesce(facts -> 'syspurpose' ->> key, '')
                        from unnest('{role,service_level_agreement,usage,service_type}'::text[]) with ordinality as of (key, place)
                       order by place)
           from image where exists (select from instance where instance.image = image.id)",
    )
    .fetch_all(&database.pool)
    .await?;
    let image = |(id, architecture, rhel_found, distribution, syspurpose): Row| {
        Ok(ImageRow {
            id,
            architecture,
            rhel_found,
            distribution,
            syspurpose: syspurpose
                .try_into()
                .map_err(|_| "syspurpose has four values")?,
        })
    };
    rows.into_iter().map(image).collect()
}

/// Succeeds if both are the same, each as often; otherwise the error shows a few that differ.
fn same<T: Debug + Ord>(what: &str, truth: &[T], found: &[T]) -> Result<(), Failure> {
    if truth.is_empty() {
        return Err(format!("{what}: the truth is empty, which proves nothing").into());
    }
    let wanted: BTreeSet<_> = truth.iter().collect();
    let there: BTreeSet<_> = found.iter().collect();
    if wanted == there && truth.len() == found.len() {
        return Ok(());
    }
    let only = |these: &BTreeSet<&T>, those: &BTreeSet<&T>| {
        let only: Vec<_> = these.difference(those).collect();
        format!("{}, like {:#?}", only.len(), &only[..only.len().min(3)])
    };
    Err(format!(
        "{what}: {} wanted, {} found\nmissing: {}\nsurplus: {}",
        truth.len(),
        found.len(),
        only(&wanted, &there),
        only(&there, &wanted),
    )
    .into())
}

#[test]
fn missing_surplus_and_repeated_items_are_errors() {
    assert!(same("ones", &[1, 2], &[2, 1]).is_ok());
    for (truth, found) in [
        (vec![1, 2], vec![1]),
        (vec![1], vec![1, 2]),
        (vec![1], vec![1, 1]),
    ] {
        assert!(same("ones", &truth, &found).is_err(), "{truth:?} {found:?}");
    }
    assert!(
        same::<u8>("ones", &[], &[]).is_err(),
        "nothing proves nothing"
    );
}
