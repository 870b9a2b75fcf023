//! What happened to instances, and the runs that follow from it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::cloudtrail::EventKind;
use sqlx::PgConnection;

use super::{Doing, StoreError, images, instances, ledger, runs, usage_days};

/// One thing that happened to one instance, seen in a log or by looking at the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Row id of the enrolment it is recorded for
    pub enrolment: i64,
    /// CloudTrail's `eventID`, or `discovery:…`; recorded once an instance, however often it comes
    pub event_id: String,
    /// The cloud's id of the instance
    pub instance_id: String,
    /// Where the instance is
    pub region: String,
    /// Image it was launched from, if known
    pub image_id: Option<String>,
    /// What happened
    pub kind: EventKind,
    /// When; kept to the microsecond
    pub at: Timestamp,
    /// Instance type from then on, if the event tells
    pub instance_type: Option<String>,
}

/// What [`record`] changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
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
) -> Result<Recorded, StoreError> {
    if events.is_empty() {
        return Ok(Recorded::default());
    }
    let enrolments: BTreeSet<i64> = events.iter().map(|e| e.enrolment).collect();
    ledger::lock(connection, &Vec::from_iter(enrolments)).await?;
    images::name(
        connection,
        events
            .iter()
            .filter_map(|e| Some((e.image_id.as_deref()?, e.region.as_str()))),
    )
    .await?;
    let given_image = instances::name(connection, events).await?;
    let events_of = insert(connection, events).await?;

    let touched = Vec::from_iter(events_of.iter().copied().collect::<BTreeSet<_>>());
    let mut changed = runs::rebuild(connection, &touched).await?;
    let recorded = Recorded {
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

/// Tells who watches the enrolments of these instances that there is news.
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

/// The instances' row ids, one an event that is new. One that is older than what is kept could be one that was given up:
/// it is left out, even if nobody knew when its file was read. What a look at the account tells is newer than all it knew.
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

fn kind_to_sql(kind: EventKind) -> &'static str {
    match kind {
        EventKind::PowerOn => "power_on",
        EventKind::PowerOff => "power_off",
        EventKind::AttributeChange => "attribute_change",
    }
}

/// The schema allows no other words than those [`kind_to_sql`] writes.
pub(super) fn kind_from_sql(word: &str) -> EventKind {
    match word {
        "power_on" => EventKind::PowerOn,
        "power_off" => EventKind::PowerOff,
        _ => EventKind::AttributeChange,
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
