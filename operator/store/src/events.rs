//! Events of instances: recording them, with the rows that follow.

use std::collections::BTreeSet;

use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::event::{NewEvent, kind_to_sql};
use super::{Doing, StoreError, images, instances, locks, runs, usage_days};

/// Numbers of rows that [`record`] changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedEvents {
    /// Events not seen before
    pub events: u64,
    /// Runs added, changed or removed
    pub runs: u64,
}

/// Records events, of any enrolments, and what follows from them: instances, images by name only, runs; drops the
/// usage of the days that changed. Repeating it, or recording in another order, gives the same rows. However many
/// events there are, it takes the same few statements.
///
/// `connection` must be in a transaction. The enrolments' rows stay locked until its end, so that an
/// account has one writer at a time and its instances need no locks of their own.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn record(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<RecordedEvents, StoreError> {
    if events.is_empty() {
        return Ok(RecordedEvents::default());
    }
    let enrolments: BTreeSet<i64> = events.iter().map(|e| e.enrolment).collect();
    locks::lock_exclusive(connection, &Vec::from_iter(enrolments)).await?;
    images::upsert(
        connection,
        events
            .iter()
            .filter_map(|e| Some((e.image_id.as_deref()?, e.region.as_str()))),
    )
    .await?;
    let given_image = instances::upsert(connection, events).await?;
    let events_of = insert(connection, events).await?;

    let touched = Vec::from_iter(events_of.iter().copied().collect::<BTreeSet<_>>());
    let mut changed = runs::rebuild(connection, &touched).await?;
    let recorded = RecordedEvents {
        events: events_of.len() as u64,
        runs: changed.runs,
    };
    changed
        .spans
        .extend(runs::spans(connection, &given_image).await?);
    mark_changed(connection, &[touched, given_image].concat()).await?;
    usage_days::drop_spans(connection, &changed.spans).await?;
    Ok(recorded)
}

/// Marks the enrolments of these instances as changed, which updates the status of their CloudAccounts.
async fn mark_changed(connection: &mut PgConnection, instances: &[i64]) -> Result<(), StoreError> {
    if instances.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update enrolment set changed_at = clock_timestamp()
          where id in (select enrolment_id from instance where id = any($1))",
        instances
    )
    .execute(connection)
    .await
    .doing("marking enrolments as changed")?;
    Ok(())
}

/// Inserts events and returns the row id of the instance of each new one. Events older than the retention limit are dropped: whether they
/// are duplicates can't be told any more. Events of discovery are exempt, because they are newer than anything stored.
async fn insert(
    connection: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<i64>, StoreError> {
    let enrolments: Vec<i64> = events.iter().map(|e| e.enrolment).collect();
    let instances: Vec<&str> = events.iter().map(|e| e.instance_id.as_str()).collect();
    let ids: Vec<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| kind_to_sql(e.kind)).collect();
    let times: Vec<jiff_sqlx::Timestamp> = events.iter().map(|e| e.at.to_sqlx()).collect();
    let types: Vec<Option<&str>> = events.iter().map(|e| e.instance_type.as_deref()).collect();
    sqlx::query_scalar!(
        r#"insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
           select instance.id, event.id, event.kind, event.at, event.type
             from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
               as event (enrolment_id, instance_id, id, kind, at, type)
             join instance using (enrolment_id, instance_id)
            where event.at >= coalesce((select kept_since from retention), '-infinity')
               or starts_with(event.id, 'discovery:')
               on conflict do nothing
        returning instance"#,
        &enrolments,
        &instances as _,
        &ids as _,
        &kinds as _,
        &times as _,
        &types as _,
    )
    .fetch_all(connection)
    .await
    .doing("inserting instance events")
}

#[cfg(test)]
mod tests;
