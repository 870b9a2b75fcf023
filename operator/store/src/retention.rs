//! Retention: old ledger entries and events that no run needs are deleted. Runs and usage stay for ever.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::accounts::{self, AccountKey};
use super::{Doing, Pool, StoreError};

/// Fewest days that must be kept: what is late comes in that time.
pub const FEWEST_DAYS: u32 = 90;
/// Log files deleted in one transaction.
const FILES: i64 = 2000;
/// Instances whose events are deleted in one transaction, each of an account that is locked, at the most.
const INSTANCES: i64 = 500;

/// Numbers of deleted rows, or of rows to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Log files in the ledger
    pub log_files: u64,
    /// Events of instances
    pub events: u64,
}

/// Gives up what is older than `kept_since`. From then on no older event is taken in, and that moment never moves back.
///
/// With `dry_run` nothing is given up, only counted.
///
/// # Errors
/// When Postgres does not do its work. What was given up until then stays so; the next time goes on with it.
pub async fn prune(
    pool: &Pool,
    kept_since: Timestamp,
    dry_run: bool,
) -> Result<Pruned, StoreError> {
    if !dry_run {
        // First: what comes in late must not meet a history that is gone.
        keep_since(pool, kept_since).await?;
    }
    Ok(Pruned {
        log_files: log_files(pool, kept_since, dry_run).await?,
        events: events(pool, kept_since, dry_run).await?,
    })
}

async fn keep_since(pool: &Pool, kept_since: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into retention (kept_since) values ($1)
         on conflict (one) do update set kept_since = greatest(retention.kept_since, excluded.kept_since)",
        &kept_since.to_sqlx() as _,
    )
    .execute(pool)
    .await
    .doing("noting since when events are kept")?;
    Ok(())
}

async fn log_files(pool: &Pool, kept_since: Timestamp, dry_run: bool) -> Result<u64, StoreError> {
    const DOING: &str = "pruning the ledger of log files";
    let kept_since = &kept_since.to_sqlx();
    if dry_run {
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from log_file where recorded_at < $1"#,
            kept_since as _
        );
        return Ok(count.fetch_one(pool).await.doing(DOING)?.cast_unsigned());
    }
    let mut pruned = 0;
    loop {
        let gone = sqlx::query!(
            "delete from log_file where ctid = any(array(select ctid from log_file where recorded_at < $1 limit $2))",
            kept_since as _,
            FILES,
        );
        match gone.execute(pool).await.doing(DOING)?.rows_affected() {
            0 => return Ok(pruned),
            gone => pruned += gone,
        }
    }
}

async fn events(pool: &Pool, kept_since: Timestamp, dry_run: bool) -> Result<u64, StoreError> {
    const DOING: &str = "pruning instance events";
    let (mut pruned, mut last) = (0, 0);
    loop {
        let chunk = sqlx::query!(
            "select id, cloud_account from instance where id > $1 order by id limit $2",
            last,
            INSTANCES
        );
        let chunk = chunk.fetch_all(pool).await.doing(DOING)?;
        let Some(newest) = chunk.last() else {
            return Ok(pruned);
        };
        last = newest.id;
        let instances: Vec<i64> = chunk.iter().map(|instance| instance.id).collect();
        let of_accounts = chunk
            .iter()
            .map(|instance| AccountKey(instance.cloud_account));
        let mut transaction = pool.begin().await.doing(DOING)?;
        accounts::lock(&mut transaction, of_accounts).await?;
        // A run begins where the one before ended if only the type changed: both hang on one power-on, which then stays.
        // Of what was before it a rebuild needs no more than the type, by the order that metering::runs goes by.
        let gone = sqlx::query_scalar!(
            r#"with began as (
                   select instance, started_at,
                          started_at = lag(ended_at) over (partition by instance order by started_at) as goes_on
                     from run where instance = any($1) and started_at < $2
               ), last_on as (
                   select instance, max(started_at) as at from began where goes_on is not true group by instance
               ), type as (
                   select distinct on (event.instance) event.instance, event_id
                     from last_on join instance_event as event
                       on event.instance = last_on.instance and occurred_at < last_on.at and instance_type is not null
                    order by event.instance, occurred_at desc,
                             array_position(array['attribute_change', 'power_on', 'power_off'], kind) desc,
                             event_id collate "C" desc
               ), told as (
                   update instance_event as event set kind = 'attribute_change' from type
                    where event.instance = type.instance and event.event_id = type.event_id and kind <> 'attribute_change'
               ), gone as (
                   delete from instance_event as event using last_on
                    where event.instance = last_on.instance and occurred_at < last_on.at
                      and (event.instance, event.event_id) not in (select instance, event_id from type)
                returning 1
               )
               select count(*) as "gone!" from gone"#,
            &instances,
            &kept_since.to_sqlx() as _,
        );
        let gone = gone.fetch_one(&mut *transaction).await.doing(DOING)?;
        if dry_run {
            transaction.rollback().await.doing(DOING)?;
        } else {
            transaction.commit().await.doing(DOING)?;
        }
        pruned += gone.cast_unsigned();
    }
}

#[cfg(test)]
mod tests;
