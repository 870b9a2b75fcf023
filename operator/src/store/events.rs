//! What happened to instances, and the runs that follow from it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::cloudtrail::EventKind;
use sqlx::PgConnection;

use super::{Doing, StoreError, images, instances, runs, usage_days};

/// One thing that happened to one instance, seen in a log or by looking at the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
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

/// Records events of one enrolment and what follows from them: instances, images by name only, runs; drops the
/// usage of the days that changed. Repeating it, or recording in another order, gives the same rows.
///
/// `connection` must be in a transaction. The enrolment's row stays locked until its end, so that an
/// account has one writer at a time and its instances need no locks of their own.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn record(
    connection: &mut PgConnection,
    enrolment: i64,
    events: &[NewEvent],
) -> Result<Recorded, StoreError> {
    if events.is_empty() {
        return Ok(Recorded::default());
    }
    let org = sqlx::query_scalar!(
        "select org_id from enrolment where id = $1 for no key update",
        enrolment
    )
    .fetch_one(&mut *connection)
    .await
    .doing("locking the enrolment")?;

    images::name(
        connection,
        events
            .iter()
            .filter_map(|e| Some((e.image_id.as_deref()?, e.region.as_str()))),
    )
    .await?;
    let given_image = instances::name(connection, enrolment, events).await?;
    let events_of = insert(connection, enrolment, events).await?;
    let recorded = events_of.len() as u64;

    let touched: Vec<i64> = events_of
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut changed = runs::rebuild(connection, &touched).await?;
    let runs = changed.runs;
    changed
        .spans
        .extend(runs::spans(connection, &given_image).await?);
    if recorded > 0 || !given_image.is_empty() {
        sqlx::query!(
            "update enrolment set changed_at = clock_timestamp() where id = $1",
            enrolment
        )
        .execute(&mut *connection)
        .await
        .doing("marking the enrolment as changed")?;
    }
    usage_days::drop_spans(connection, &org, &changed.spans).await?;
    Ok(Recorded {
        events: recorded,
        runs,
    })
}

/// The instances' row ids, one an event that is new.
async fn insert(
    connection: &mut PgConnection,
    enrolment: i64,
    events: &[NewEvent],
) -> Result<Vec<i64>, StoreError> {
    let instances: Vec<&str> = events.iter().map(|e| e.instance_id.as_str()).collect();
    let ids: Vec<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| kind_to_sql(e.kind)).collect();
    let times: Vec<jiff_sqlx::Timestamp> = events.iter().map(|e| e.at.to_sqlx()).collect();
    let types: Vec<Option<&str>> = events.iter().map(|e| e.instance_type.as_deref()).collect();
    sqlx::query_scalar!(
        r#"insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
           select instance.id, event.id, event.kind, event.at, event.type
             from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
               as event (instance_id, id, kind, at, type)
             join instance on instance.enrolment_id = $1 and instance.instance_id = event.instance_id
               on conflict do nothing
        returning instance"#,
        enrolment,
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
