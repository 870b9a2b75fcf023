//! The runs of instances: derived from their events, written where they differ from what is there.

use std::collections::BTreeMap;

use jiff_sqlx::{Timestamp, ToSqlx};
use metering::cloudtrail::EventKind;
use metering::runs::{Event, Run, difference, runs};
use sqlx::PgConnection;

use super::accounts::{self, AccountKey};
use super::changes::Changes;
use super::event::kind_from_sql;
use super::{Doing, StoreError};

/// Derives the runs of these instances, whose accounts must be locked, anew. Returns the number of rows written or deleted. Runs from
/// before the first power-on that is kept are history: the events that they were derived from are gone (see [`super::retention`]).
pub(super) async fn rebuild(
    connection: &mut PgConnection,
    accounts: &BTreeMap<i64, AccountKey>,
    changes: &mut Changes,
) -> Result<u64, StoreError> {
    if accounts.is_empty() {
        return Ok(0);
    }
    let instances: Vec<i64> = accounts.keys().copied().collect();
    let mut stored = stored(connection, &instances).await?;
    let (mut gone, mut new, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for (instance, events) in events_of(connection, &instances).await? {
        let Some(&account) = accounts.get(&instance) else {
            continue;
        };
        let mut before = stored.remove(&instance).unwrap_or_default();
        let power_ons = events
            .iter()
            .filter(|event| event.kind == EventKind::PowerOn);
        let first = power_ons.map(|event| event.at).min();
        before.retain(|run| first.is_some_and(|first| run.start >= first));
        let after = runs(events);
        for span in difference(&before, &after) {
            changes.span(account, &span);
        }
        gone.extend(
            before
                .iter()
                .filter(|run| starting(&after, run.start).is_none())
                .map(|run| (instance, run.start.to_sqlx())),
        );
        for run in after {
            match starting(&before, run.start) {
                None => new.push((instance, account, run)),
                Some(stored) if *stored != run => other.push((instance, account, run)),
                Some(_) => {}
            }
        }
    }
    let written = (gone.len() + new.len() + other.len()) as u64;
    delete(connection, gone).await?;
    insert(connection, &new).await?;
    update(connection, &other).await?;
    Ok(written)
}

/// The run of an instance's, in order, that starts then.
fn starting(runs: &[Run], start: jiff::Timestamp) -> Option<&Run> {
    runs.binary_search_by_key(&start, |run| run.start)
        .ok()
        .and_then(|position| runs.get(position))
}

/// Notes the times at which these instances ran as changed.
pub(super) async fn change_spans(
    connection: &mut PgConnection,
    accounts: &BTreeMap<i64, AccountKey>,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let instances: Vec<i64> = accounts.keys().copied().collect();
    for (instance, runs) in stored(connection, &instances).await? {
        if let Some(&account) = accounts.get(&instance) {
            runs.iter()
                .for_each(|run| changes.span(account, &run.period()));
        }
    }
    Ok(())
}

pub(super) async fn stored(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<BTreeMap<i64, Vec<Run>>, StoreError> {
    let rows = sqlx::query!(
        r#"select instance, started_at as "started_at: Timestamp", nullif(ended_at, 'infinity') as "ended_at: Timestamp", instance_type
             from run where instance = any($1) order by instance, started_at"#,
        instances,
    )
    .fetch_all(connection)
    .await
    .doing("reading runs")?;
    let mut runs: BTreeMap<i64, Vec<Run>> = BTreeMap::new();
    for row in rows {
        let run = Run {
            start: row.started_at.to_jiff(),
            end: row.ended_at.map(Timestamp::to_jiff),
            instance_type: row.instance_type,
        };
        runs.entry(row.instance).or_default().push(run);
    }
    Ok(runs)
}

async fn events_of(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<BTreeMap<i64, Vec<Event>>, StoreError> {
    let rows = sqlx::query!(
        r#"select instance, event_id, kind, occurred_at as "occurred_at: Timestamp", instance_type
             from instance_event where instance = any($1)"#,
        instances,
    )
    .fetch_all(connection)
    .await
    .doing("reading instance events")?;
    let mut events: BTreeMap<i64, Vec<Event>> = BTreeMap::new();
    for row in rows {
        let event = Event {
            at: row.occurred_at.to_jiff(),
            kind: kind_from_sql(&row.kind),
            id: row.event_id,
            instance_type: row.instance_type,
        };
        events.entry(row.instance).or_default().push(event);
    }
    Ok(events)
}

async fn delete(
    connection: &mut PgConnection,
    gone: Vec<(i64, Timestamp)>,
) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let (instances, starts): (Vec<i64>, Vec<Timestamp>) = gone.into_iter().unzip();
    sqlx::query!(
        "delete from run using unnest($1::bigint[], $2::timestamptz[]) as gone (instance, started_at)
          where run.instance = gone.instance and run.started_at = gone.started_at",
        &instances,
        &starts as _,
    )
    .execute(connection)
    .await
    .doing("deleting runs")?;
    Ok(())
}

/// Runs column by column.
struct Columns<'a> {
    instances: Vec<i64>,
    accounts: Vec<i32>,
    starts: Vec<Timestamp>,
    ends: Vec<Option<Timestamp>>,
    types: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(runs: &'a [(i64, AccountKey, Run)]) -> Self {
        let end = |run: &Run| run.end.map(ToSqlx::to_sqlx);
        Self {
            instances: runs.iter().map(|(instance, ..)| *instance).collect(),
            accounts: accounts::ids(runs.iter().map(|(_, account, _)| *account)),
            starts: runs.iter().map(|(.., run)| run.start.to_sqlx()).collect(),
            ends: runs.iter().map(|(.., run)| end(run)).collect(),
            types: runs
                .iter()
                .map(|(.., run)| run.instance_type.as_deref())
                .collect(),
        }
    }
}

/// Nobody else can have inserted them: their account is locked. To have Postgres look for them takes half as long again.
async fn insert(
    connection: &mut PgConnection,
    new: &[(i64, AccountKey, Run)],
) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let new = Columns::of(new);
    sqlx::query!(
        "insert into run (instance, cloud_account, started_at, ended_at, instance_type)
         select instance, account, started_at, coalesce(ended_at, 'infinity'), instance_type
           from unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::text[])
                as new (instance, account, started_at, ended_at, instance_type)",
        &new.instances,
        &new.accounts,
        &new.starts as _,
        &new.ends as _,
        &new.types as _,
    )
    .execute(connection)
    .await
    .doing("writing runs")?;
    Ok(())
}

async fn update(
    connection: &mut PgConnection,
    other: &[(i64, AccountKey, Run)],
) -> Result<(), StoreError> {
    if other.is_empty() {
        return Ok(());
    }
    let other = Columns::of(other);
    sqlx::query!(
        "update run set ended_at = coalesce(other.ended_at, 'infinity'), instance_type = other.instance_type
           from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[])
                as other (instance, started_at, ended_at, instance_type)
          where run.instance = other.instance and run.started_at = other.started_at",
        &other.instances,
        &other.starts as _,
        &other.ends as _,
        &other.types as _,
    )
    .execute(connection)
    .await
    .doing("writing runs")?;
    Ok(())
}
