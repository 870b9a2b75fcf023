//! Enrolments: the CloudAccount that meters a cloud account, and since when.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::cloudtrail::EventKind;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::event::NewEvent;
use super::events;
use super::{Doing, Pool, StoreError, locks};

/// A CloudAccount that would meter an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// The 12-digit AWS account
    pub account_id: String,
    /// Organization that the usage belongs to
    pub org_id: String,
    /// The older number of that org
    pub account_number: Option<String>,
    /// UID of the CloudAccount
    pub uid: Uuid,
    /// Its namespace
    pub namespace: String,
    /// Its name
    pub name: String,
    /// When it was created
    pub created_at: Timestamp,
    /// The role it names
    pub role_arn: String,
}

impl Claimant {
    /// Returns whether it is older than the holder's CloudAccount. Of two made in the same second the holder keeps the account.
    pub fn precedes(&self, holder: &Enrolment) -> bool {
        self.created_at < holder.created_at
    }
}

/// A cloud account that is metered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Row id
    pub id: i64,
    /// Organization that the usage belongs to
    pub org_id: String,
    /// UID of the CloudAccount
    pub uid: Uuid,
    /// Its namespace
    pub namespace: String,
    /// Its name
    pub name: String,
    /// When the CloudAccount was created
    pub created_at: Timestamp,
    /// Since when events count
    pub enabled_at: Option<Timestamp>,
    /// Nothing is recorded for now
    pub suspended: bool,
}

/// Outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The account is the claimant's.
    Ours(Enrolment),
    /// An older CloudAccount has it.
    Held(Enrolment),
}

/// Returns the enrolment that meters `account_id` now.
pub async fn holder(pool: &Pool, account_id: &str) -> Result<Option<Enrolment>, StoreError> {
    read_holder(pool, account_id).await
}

async fn read_holder(
    executor: impl PgExecutor<'_>,
    account_id: &str,
) -> Result<Option<Enrolment>, StoreError> {
    sqlx::query!(
        r#"select id, org_id, uid, namespace, name, created_at as "created_at: jiff_sqlx::Timestamp",
                  enabled_at as "enabled_at: jiff_sqlx::Timestamp", suspended
             from enrolment
            where cloud = 'aws' and cloud_account_id = $1 and released_at is null"#,
        account_id
    )
    .map(|row| Enrolment {
        id: row.id,
        org_id: row.org_id,
        uid: row.uid,
        namespace: row.namespace,
        name: row.name,
        created_at: row.created_at.to_jiff(),
        enabled_at: row.enabled_at.map(jiff_sqlx::Timestamp::to_jiff),
        suspended: row.suspended,
    })
    .fetch_optional(executor)
    .await
    .doing("reading who meters the account")
}

/// Claims an account. The oldest CloudAccount has it: from a younger one it is taken, whose runs end now.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn claim(pool: &Pool, claimant: &Claimant, now: Timestamp) -> Result<Claim, StoreError> {
    const DOING: &str = "claiming the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    loop {
        match read_holder(&mut *transaction, &claimant.account_id).await? {
            Some(holder) if holder.uid == claimant.uid => {
                rename(&mut transaction, holder.id, claimant).await?;
                transaction.commit().await.doing(DOING)?;
                return Ok(Claim::Ours(holder));
            }
            Some(holder) if !claimant.precedes(&holder) => return Ok(Claim::Held(holder)),
            Some(holder) => release_in(&mut transaction, holder.id, now).await?,
            // Someone else's claim, committed meanwhile, makes this do nothing: the next look finds it.
            None => insert(&mut transaction, claimant).await?,
        }
    }
}

/// A cloud account whose events are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeteredAccount {
    /// Row id
    pub enrolment: i64,
    /// Events before do not count: the account was not enabled yet, or they are older than what is kept
    pub counts_since: Timestamp,
}

/// Returns the enrolments that meter `accounts` now. An account without one, not enabled yet or suspended is left out.
pub async fn metered_accounts(
    executor: impl PgExecutor<'_>,
    accounts: &[&str],
) -> Result<HashMap<String, MeteredAccount>, StoreError> {
    let rows = sqlx::query!(
        r#"select cloud_account_id, id,
                  greatest(enabled_at, (select kept_since from retention)) as "counts_since!: jiff_sqlx::Timestamp"
             from enrolment
            where cloud = 'aws' and cloud_account_id = any($1)
              and released_at is null and enabled_at is not null and not suspended"#,
        accounts as _,
    )
    .fetch_all(executor)
    .await
    .doing("looking up who meters cloud accounts")?;
    let accounts = rows.into_iter().map(|row| {
        let account = MeteredAccount {
            enrolment: row.id,
            counts_since: row.counts_since.to_jiff(),
        };
        (row.cloud_account_id, account)
    });
    Ok(accounts.collect())
}

async fn insert(connection: &mut PgConnection, claimant: &Claimant) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into enrolment (cloud_account_id, org_id, account_number, uid, namespace, name, created_at, role_arn)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (cloud, cloud_account_id) where released_at is null do nothing",
        claimant.account_id,
        claimant.org_id,
        claimant.account_number,
        claimant.uid,
        claimant.namespace,
        claimant.name,
        claimant.created_at.to_sqlx() as _,
        claimant.role_arn,
    )
    .execute(connection)
    .await
    .doing("inserting the enrolment")?;
    Ok(())
}

/// The account number and the role are what its owner can change of an enrolment.
async fn rename(
    connection: &mut PgConnection,
    id: i64,
    claimant: &Claimant,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update enrolment set account_number = $2, role_arn = $3
          where id = $1 and (account_number, role_arn) is distinct from ($2, $3)",
        id,
        claimant.account_number,
        claimant.role_arn,
    )
    .execute(connection)
    .await
    .doing("updating the enrolment")?;
    Ok(())
}

/// Counts events from `since` on, if that is earlier than what was so far.
pub async fn backfill(pool: &Pool, id: i64, since: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update enrolment set enabled_at = $2 where id = $1 and enabled_at > $2",
        id,
        &since.to_sqlx() as _,
    )
    .execute(pool)
    .await
    .doing("counting an account's events from an earlier time on")?;
    Ok(())
}

/// Counts events from `now` on, unless it does already. Since when it does: from the whole second on, because CloudTrail's
/// times have no fractions and what happens right after would seem to have happened before.
pub async fn enable(pool: &Pool, id: i64, now: Timestamp) -> Result<Timestamp, StoreError> {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let enabled = sqlx::query_scalar!(
        r#"update enrolment
              set enabled_at = case when suspended then $2 else coalesce(enabled_at, $2) end,
                  suspended = false, changed_at = clock_timestamp()
            where id = $1 and released_at is null and (suspended or enabled_at is null)
        returning enabled_at as "enabled_at!: jiff_sqlx::Timestamp""#,
        id,
        now.to_sqlx() as _,
    )
    .fetch_optional(pool)
    .await
    .doing("enabling the account")?;
    match enabled {
        Some(at) => Ok(at.to_jiff()),
        None => sqlx::query_scalar!(
            r#"select enabled_at as "enabled_at!: jiff_sqlx::Timestamp" from enrolment where id = $1"#,
            id
        )
        .fetch_one(pool)
        .await
        .map(jiff_sqlx::Timestamp::to_jiff)
        .doing("reading since when the account is enabled"),
    }
}

/// Ends the runs of an account now and records nothing more until it is enabled again.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn suspend(pool: &Pool, id: i64, now: Timestamp) -> Result<(), StoreError> {
    const DOING: &str = "suspending the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    end_runs(&mut transaction, id, "suspended", now).await?;
    sqlx::query!(
        "update enrolment set suspended = true, changed_at = clock_timestamp() where id = $1",
        id
    )
    .execute(&mut *transaction)
    .await
    .doing(DOING)?;
    transaction.commit().await.doing(DOING)
}

/// Ends the runs of the CloudAccount's account now and closes its enrolment for ever. What was recorded stays.
/// A CloudAccount that meters nothing (any more) is fine.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn release(pool: &Pool, uid: Uuid, now: Timestamp) -> Result<(), StoreError> {
    const DOING: &str = "releasing the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    let id = sqlx::query_scalar!(
        "select id from enrolment where uid = $1 and released_at is null for no key update",
        uid
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    if let Some(id) = id {
        release_in(&mut transaction, id, now).await?;
    }
    transaction.commit().await.doing(DOING)
}

async fn release_in(
    connection: &mut PgConnection,
    id: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    end_runs(connection, id, "released", now).await?;
    sqlx::query!(
        "update enrolment set released_at = $2, changed_at = clock_timestamp() where id = $1 and released_at is null",
        id,
        now.to_sqlx() as _,
    )
    .execute(connection)
    .await
    .doing("releasing the enrolment")?;
    Ok(())
}

/// Powers off whatever runs, as far as metering goes.
async fn end_runs(
    connection: &mut PgConnection,
    id: i64,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A run started by a log file that is being recorded right now has to be seen, or it would never end.
    locks::lock_exclusive(connection, &[id]).await?;
    let running = sqlx::query!(
        r#"select instance.instance_id, instance.region, run.started_at as "started_at: jiff_sqlx::Timestamp"
             from run join instance on instance.id = run.instance
            where instance.enrolment_id = $1 and run.ended_at is null"#,
        id
    )
    .fetch_all(&mut *connection)
    .await
    .doing("reading what runs")?;
    let ends: Vec<NewEvent> = running
        .into_iter()
        .map(|row| {
            // Clocks differ: a run may have begun after our now.
            let at = now.max(row.started_at.to_jiff());
            NewEvent {
                enrolment: id,
                event_id: format!("discovery:{}:{why}:{at}", row.instance_id),
                instance_id: row.instance_id,
                region: row.region,
                image_id: None,
                kind: EventKind::PowerOff,
                at,
                instance_type: None,
            }
        })
        .collect();
    events::record(connection, &ends).await.map(drop)
}

#[cfg(test)]
mod tests;
