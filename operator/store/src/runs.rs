//! The runs of instances: derived from their events, written where they differ from what is there.

use std::collections::BTreeMap;

use jiff_sqlx::{Timestamp, ToSqlx};
use metering::cloudtrail::EventKind;
use metering::runs::{Event, Run, difference, runs};
use metering::usage::Period;
use sqlx::PgConnection;

use super::event::kind_from_sql;
use super::{Doing, StoreError};

/// Changes made by a rebuild.
#[derive(Debug, Default)]
pub(super) struct ChangedRuns {
    /// Rows written or removed.
    pub(super) runs: u64,
    /// When an instance runs now and did not before, or the other way round.
    pub(super) spans: Vec<(i64, Period)>,
}

/// Derives the runs of these instances anew. Their enrolment's row must be locked. Runs from before the first power-on that
/// is kept are history: what they were derived from is gone (see [`super::retention`]).
pub(super) async fn rebuild(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<ChangedRuns, StoreError> {
    if instances.is_empty() {
        return Ok(ChangedRuns::default());
    }
    let mut stored = stored(connection, instances).await?;
    let mut changed = ChangedRuns::default();
    let (mut gone, mut new, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for (instance, events) in events_of(connection, instances).await? {
        let mut before = stored.remove(&instance).unwrap_or_default();
        let power_ons = events
            .iter()
            .filter(|event| event.kind == EventKind::PowerOn);
        let first = power_ons.map(|event| event.at).min();
        before.retain(|run| first.is_some_and(|first| run.start >= first));
        let after = runs(events);
        let spans = difference(&before, &after);
        changed
            .spans
            .extend(spans.into_iter().map(|span| (instance, span)));
        gone.extend(
            before
                .iter()
                .filter(|run| starting(&after, run.start).is_none())
                .map(|run| (instance, run.start.to_sqlx())),
        );
        for run in after {
            match starting(&before, run.start) {
                None => new.push((instance, run)),
                Some(stored) if *stored != run => other.push((instance, run)),
                Some(_) => {}
            }
        }
    }
    changed.runs = (gone.len() + new.len() + other.len()) as u64;
    delete(connection, gone).await?;
    insert(connection, &new).await?;
    update(connection, &other).await?;
    Ok(changed)
}

/// The run of an instance's, in order, that starts then.
fn starting(runs: &[Run], start: jiff::Timestamp) -> Option<&Run> {
    runs.binary_search_by_key(&start, |run| run.start)
        .ok()
        .and_then(|position| runs.get(position))
}

/// When each of these instances ran.
pub(super) async fn spans(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<Vec<(i64, Period)>, StoreError> {
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let stored = stored(connection, instances).await?;
    let spans_of = |(instance, runs): (&i64, &Vec<Run>)| {
        let instance = *instance;
        let spans: Vec<_> = runs.iter().map(|run| (instance, run.period())).collect();
        spans
    };
    Ok(stored.iter().flat_map(spans_of).collect())
}

pub(super) async fn stored(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<BTreeMap<i64, Vec<Run>>, StoreError> {
    let rows = sqlx::query!(
        r#"select instance, started_at as "started_at: Timestamp", ended_at as "ended_at: Timestamp", instance_type
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
    starts: Vec<Timestamp>,
    ends: Vec<Option<Timestamp>>,
    types: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(runs: &'a [(i64, Run)]) -> Self {
        let end = |run: &Run| run.end.map(ToSqlx::to_sqlx);
        Self {
            instances: runs.iter().map(|(instance, _)| *instance).collect(),
            starts: runs.iter().map(|(_, run)| run.start.to_sqlx()).collect(),
            ends: runs.iter().map(|(_, run)| end(run)).collect(),
            types: runs
                .iter()
                .map(|(_, run)| run.instance_type.as_deref())
                .collect(),
        }
    }
}

/// Nobody else can have inserted them: their enrolment is locked. To have Postgres look for them takes half as long again.
async fn insert(connection: &mut PgConnection, new: &[(i64, Run)]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let new = Columns::of(new);
    sqlx::query!(
        "insert into run (instance, started_at, ended_at, instance_type)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[])",
        &new.instances,
        &new.starts as _,
        &new.ends as _,
        &new.types as _,
    )
    .execute(connection)
    .await
    .doing("writing runs")?;
    Ok(())
}

async fn update(connection: &mut PgConnection, other: &[(i64, Run)]) -> Result<(), StoreError> {
    if other.is_empty() {
        return Ok(());
    }
    let other = Columns::of(other);
    sqlx::query!(
        "update run set ended_at = other.ended_at, instance_type = other.instance_type
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
