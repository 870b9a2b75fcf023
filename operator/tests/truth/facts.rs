//! Rows that must be in the database, and those that are.

use std::collections::BTreeSet;
use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;
use metering::cloudtrail::EventKind;
use metering::generator::GeneratedRun;
use metering::usage::Count;
use serde::Deserialize;
use tokio::process::Command;

use super::{Database, Failure, World};

/// In no order.
pub(crate) struct Facts {
    /// Keys of the log files that were recorded
    files: Vec<String>,
    /// Records in them
    records: u64,
    events: Vec<Event>,
    runs: Vec<GeneratedRun>,
    /// Images that carry the tag for RHEL in the end
    tagged: Vec<String>,
    /// The highest number of RHEL instances at once, by organization and day, where it is not zero
    daily: Vec<(String, Date, u64)>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    account_id: String,
    region: String,
    instance_id: String,
    id: String,
    kind: String,
    at: Timestamp,
    instance_type: Option<String>,
}

impl Facts {
    /// The facts of the world.
    pub(crate) fn of(world: &World) -> Self {
        let truth = &world.truth;
        let events = truth.events.iter().map(|event| Event {
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
        let of_orgs = truth.daily.iter().filter(|day| day.account_id.is_none());
        Self {
            files: world.good.clone(),
            records: world.totals.records,
            events: events.collect(),
            runs: truth.runs.clone(),
            tagged: tagged.map(|(image, _)| image.clone()).collect(),
            daily: of_orgs
                .filter(|day| day.rhel > 0)
                .map(|day| (day.org_id.clone(), day.date, day.rhel))
                .collect(),
        }
    }

    /// The facts in the database.
    pub(crate) async fn found(world: &World, database: &Database) -> Result<Self, Failure> {
        let pool = &database.pool;
        let files = sqlx::query_scalar("select key from log_file");
        let records = sqlx::query_scalar("select coalesce(sum(records), 0)::bigint from log_file");
        let tagged = sqlx::query_scalar("select image_id from image where rhel_tag");
        let records: i64 = records.fetch_one(pool).await?;
        Ok(Self {
            files: files.fetch_all(pool).await?,
            records: records.try_into()?,
            events: events(database).await?,
            runs: runs(database).await?,
            tagged: tagged.fetch_all(pool).await?,
            daily: daily(world, database).await?,
        })
    }

    /// Says how `found` differs from this truth, if it does.
    pub(crate) fn compare(&self, found: &Self) -> Result<(), Failure> {
        same("files", &self.files, &found.files)?;
        same("records", &[self.records], &[found.records])?;
        same("events", &self.events, &found.events)?;
        same("runs", &self.runs, &found.runs)?;
        same("images tagged as RHEL", &self.tagged, &found.tagged)?;
        same("most at once on a day", &self.daily, &found.daily)
    }
}

async fn events(database: &Database) -> Result<Vec<Event>, Failure> {
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
        "select cloud_account_id, region, instance.instance_id, event_id, kind, occurred_at, instance_type
           from instance_event join instance on instance.id = instance join enrolment on enrolment.id = enrolment_id",
    )
    .fetch_all(&database.pool)
    .await?;
    let event = |(account_id, region, instance_id, id, kind, at, instance_type): Row| Event {
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

async fn runs(database: &Database) -> Result<Vec<GeneratedRun>, Failure> {
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
        "select org_id, cloud_account_id, instance.region, instance.instance_id, started_at, ended_at,
                coalesce(instance_type, ''), coalesce(image_id, '')
           from run join instance on instance.id = instance join enrolment on enrolment.id = enrolment_id
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

/// As `cloudigrade report` tells it.
async fn daily(world: &World, database: &Database) -> Result<Vec<(String, Date, u64)>, Failure> {
    #[derive(Deserialize)]
    struct Report {
        concurrent: Vec<Day>,
    }
    #[derive(Deserialize)]
    struct Day {
        org_id: String,
        date: Date,
        maximum_counts: Vec<Count>,
    }
    let output = Command::new(env!("CARGO_BIN_EXE_cloudigrade"))
        .args(["report", "concurrent", "--output", "json"])
        .args(["--from", &world.first.to_string()])
        .args(["--to", &world.last.to_string()])
        .env("DATABASE_URL", &database.url)
        .output()
        .await?;
    let report: Report = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let most = |day: Day| {
        let most = day.maximum_counts.iter().find(|count| count.is_of_any())?;
        Some((day.org_id, day.date, most.instances_count))
    };
    Ok(report.concurrent.into_iter().filter_map(most).collect())
}

/// The same things, each as often; tells a few that differ.
fn same<T: Debug + Ord>(what: &str, truth: &[T], found: &[T]) -> Result<(), Failure> {
    if truth.is_empty() {
        return Err(format!("{what}: the truth is empty, which shows nothing").into());
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
fn what_is_missing_surplus_or_there_twice_is_told() {
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
        "nothing shows nothing"
    );
}
