//! Events of instances: recording them, with the rows that follow.

use std::collections::BTreeMap;

use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::accounts::{self, AccountKey};
use super::changes::Changes;
use super::event::{NewEvent, kind_to_sql};
use super::{Doing, StoreError, images, instances, runs};

/// Numbers of rows that [`record`] changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedEvents {
    /// Events not seen before
    pub events: u64,
    /// Runs added, changed or removed
    pub runs: u64,
}

/// Records events, of any accounts, and what follows from them: instances, images by name only, runs. Repeating it, or recording in
/// another order, gives the same rows. However many events there are, it takes the same few statements.
///
/// The transaction goes on with `changes`, which usage follows.
///
/// # Errors
/// When a statement fails; the transaction is of no use then.
pub async fn record(
    transaction: &mut PgConnection,
    events: &[NewEvent],
    changes: &mut Changes,
) -> Result<RecordedEvents, StoreError> {
    if events.is_empty() {
        return Ok(RecordedEvents::default());
    }
    accounts::lock(transaction, events.iter().map(|event| event.account)).await?;
    images::upsert(
        transaction,
        events
            .iter()
            .filter_map(|e| Some((e.image_id.as_deref()?, e.region.as_str()))),
    )
    .await?;
    let given_image = instances::upsert(transaction, events).await?;
    let inserted = insert(transaction, events).await?;
    let touched: BTreeMap<i64, AccountKey> = inserted.iter().copied().collect();
    let runs = runs::rebuild(transaction, &touched, changes).await?;
    runs::change_spans(transaction, &given_image, changes).await?;
    for account in touched.into_values().chain(given_image.into_values()) {
        changes.account(account);
    }
    Ok(RecordedEvents {
        events: inserted.len() as u64,
        runs,
    })
}

/// Inserts events and returns the instance of each new one, with its account. Events older than the retention limit are dropped: whether they
/// are duplicates can't be told any more. Events of discovery are exempt, because they are newer than anything stored.
async fn insert(
    transaction: &mut PgConnection,
    events: &[NewEvent],
) -> Result<Vec<(i64, AccountKey)>, StoreError> {
    let accounts = accounts::ids(events.iter().map(|e| e.account));
    let instances: Vec<&str> = events.iter().map(|e| e.instance_id.as_str()).collect();
    let ids: Vec<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    let kinds: Vec<&str> = events.iter().map(|e| kind_to_sql(e.kind)).collect();
    let times: Vec<jiff_sqlx::Timestamp> = events.iter().map(|e| e.at.to_sqlx()).collect();
    let types: Vec<Option<&str>> = events.iter().map(|e| e.instance_type.as_deref()).collect();
    let rows = sqlx::query!(
        r#"with inserted as (
               insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
               select instance.id, event.id, event.kind, event.at, event.type
                 from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
                   as event (cloud_account, instance_id, id, kind, at, type)
                 join instance using (cloud_account, instance_id)
                where event.at >= coalesce((select kept_since from retention), '-infinity')
                   or starts_with(event.id, 'discovery:')
                   on conflict do nothing
            returning instance)
           select inserted.instance, instance.cloud_account
             from inserted join instance on instance.id = inserted.instance"#,
        &accounts,
        &instances as _,
        &ids as _,
        &kinds as _,
        &times as _,
        &types as _,
    )
    .fetch_all(transaction)
    .await
    .doing("inserting instance events")?;
    let instances = rows.into_iter();
    Ok(instances
        .map(|row| (row.instance, AccountKey(row.cloud_account)))
        .collect())
}

#[cfg(test)]
mod tests;
