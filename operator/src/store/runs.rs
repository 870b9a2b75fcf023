//! The runs of instances: derived from their events, written where they differ from what is there.

use std::collections::BTreeMap;

use jiff_sqlx::{Timestamp, ToSqlx};
use metering::runs::{Event, Run, runs};
use sqlx::PgConnection;

use super::usage_days::Span;
use super::{Doing, StoreError, events};

/// What a rebuild changed.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Rows written or removed.
    pub(super) runs: u64,
    /// When an instance runs now and did not before, or the other way round, or as another type.
    pub(super) spans: Vec<Span>,
}

/// Derives the runs of these instances anew. Their enrolment's row must be locked.
pub(super) async fn rebuild(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<Changed, StoreError> {
    if instances.is_empty() {
        return Ok(Changed::default());
    }
    let mut stored = stored(connection, instances).await?;
    let mut changed = Changed::default();
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for (instance, events) in events_of(connection, instances).await? {
        let before = stored.remove(&instance).unwrap_or_default();
        let after = runs(events);
        changed.spans.extend(difference(&before, &after));
        let starts_again = |run: &Run| after.iter().any(|other| other.start == run.start);
        gone.extend(
            before
                .iter()
                .filter(|run| !starts_again(run))
                .map(|run| (instance, run.start.to_sqlx())),
        );
        new.extend(
            after
                .into_iter()
                .filter(|run| !before.contains(run))
                .map(|run| (instance, run)),
        );
    }
    changed.runs = (gone.len() + new.len()) as u64;
    delete(connection, gone).await?;
    upsert(connection, &new).await?;
    Ok(changed)
}

/// When these instances ran.
pub(super) async fn spans(
    connection: &mut PgConnection,
    instances: &[i64],
) -> Result<Vec<Span>, StoreError> {
    if instances.is_empty() {
        return Ok(Vec::new());
    }
    let runs = stored(connection, instances).await?;
    Ok(runs.values().flatten().map(span).collect())
}

fn span(run: &Run) -> Span {
    Span {
        start: run.start,
        end: run.end,
    }
}

/// The stretches in which two lists of an instance's runs differ. A run that only ends at another time differs
/// between its two ends.
fn difference(before: &[Run], after: &[Run]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (these, others) in [(before, after), (after, before)] {
        for run in these {
            match others
                .iter()
                .find(|other| other.start == run.start && other.instance_type == run.instance_type)
            {
                None => spans.push(span(run)),
                // Of two different ends the earlier one is where the difference begins.
                Some(other) => {
                    if let Some(end) = run
                        .end
                        .filter(|end| other.end.is_none_or(|later| *end < later))
                    {
                        spans.push(Span {
                            start: end,
                            end: other.end,
                        });
                    }
                }
            }
        }
    }
    spans
}

async fn stored(
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
            kind: events::kind_from_sql(&row.kind),
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

async fn upsert(connection: &mut PgConnection, new: &[(i64, Run)]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let instances: Vec<i64> = new.iter().map(|(instance, _)| *instance).collect();
    let starts: Vec<Timestamp> = new.iter().map(|(_, run)| run.start.to_sqlx()).collect();
    let ends: Vec<Option<Timestamp>> = new
        .iter()
        .map(|(_, run)| run.end.map(ToSqlx::to_sqlx))
        .collect();
    let types: Vec<Option<&str>> = new
        .iter()
        .map(|(_, run)| run.instance_type.as_deref())
        .collect();
    sqlx::query!(
        "insert into run (instance, started_at, ended_at, instance_type)
         select * from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::text[])
         on conflict (instance, started_at)
         do update set ended_at = excluded.ended_at, instance_type = excluded.instance_type",
        &instances,
        &starts as _,
        &ends as _,
        &types as _,
    )
    .execute(connection)
    .await
    .doing("writing runs")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// `"1-2 5-"` is a run from second 1 to 2 and one from 5 on; `"1-2t"` is one of type `t`.
    fn parse(text: &str) -> Vec<Run> {
        let second = |n: &str| jiff::Timestamp::from_second(n.parse().unwrap()).unwrap();
        let run = |text: &str| {
            let (text, of_type) = text
                .strip_suffix('t')
                .map_or((text, None), |text| (text, Some("t".to_owned())));
            let (start, end) = text.split_once('-').unwrap();
            let end = (!end.is_empty()).then(|| second(end));
            Run {
                start: second(start),
                end,
                instance_type: of_type,
            }
        };
        text.split_whitespace().map(run).collect()
    }

    #[rstest]
    #[case::same("1-2 5-", "1-2 5-", "")]
    #[case::new("", "1-2", "1-2")]
    #[case::closed("1-", "1-4", "4-")]
    #[case::opened("1-4", "1-", "4-")]
    #[case::shortened("1-9", "1-4", "4-9")]
    #[case::split("1-9", "1-4 6-9", "4-9 6-9")]
    #[case::starts_earlier("3-9", "1-9", "3-9 1-9")]
    #[case::another_type("1-9", "1-9t", "1-9 1-9")]
    fn differences(#[case] before: &str, #[case] after: &str, #[case] expected: &str) {
        let expected: Vec<Span> = parse(expected).iter().map(span).collect();
        assert_eq!(difference(&parse(before), &parse(after)), expected);
    }
}
