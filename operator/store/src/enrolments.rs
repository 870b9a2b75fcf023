//! Enrolments: the CloudAccount that has a cloud account now, and the periods in which the account is metered. Enrolling, suspending,
//! resuming, releasing, taking over and backfilling change these and nothing else: no event is written, usage is runs clipped by periods.

mod claim;
mod periods;

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::accounts::{self, AccountKey};
use super::changes::{Changes, invalidate};
use super::{Doing, Pool, StoreError};

pub use claim::{Claim, ClaimPlan, Claimant, claim};
pub use periods::whole_second;

/// A cloud account, and the CloudAccount that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Row id of the cloud account
    pub account: AccountKey,
    /// Organization that the usage belongs to
    pub org_id: String,
    /// UID of the CloudAccount
    pub uid: Uuid,
    /// Its namespace
    pub namespace: String,
    /// Its name
    pub name: String,
    /// Its creation
    pub created_at: Timestamp,
    /// Start of the metered period that is open; `None` before the first one and while suspended
    pub enabled_at: Option<Timestamp>,
    /// Nothing is metered for now
    pub suspended: bool,
}

/// Returns the enrolment of `account_id`, if a CloudAccount has it.
pub async fn holder(pool: &Pool, account_id: &str) -> Result<Option<Enrolment>, StoreError> {
    read_holder(pool, account_id).await
}

async fn read_holder(
    executor: impl PgExecutor<'_>,
    account_id: &str,
) -> Result<Option<Enrolment>, StoreError> {
    sqlx::query!(
        r#"select holder.cloud_account, org_id, uid, holder.namespace, holder.name,
                  holder.created_at as "created_at: jiff_sqlx::Timestamp", suspended,
                  (select lower(span) from metered_period
                    where metered_period.cloud_account = holder.cloud_account and upper_inf(span))
                      as "enabled_at: jiff_sqlx::Timestamp"
             from cloud_account
             join holder on holder.cloud_account = cloud_account.id
             join organization on organization.id = holder.organization
            where cloud = 'aws' and account_id = $1"#,
        account_id
    )
    .map(|row| Enrolment {
        account: AccountKey(row.cloud_account),
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
    .doing("reading the holder of the account")
}

/// Begins to meter an account at `now`, unless it is metered already. Returns the start of its period; `None` if another CloudAccount
/// has the account, and nothing was changed.
///
/// Periods begin and end at whole seconds: CloudTrail's times have no fractions, and an event right after would seem to be before.
pub async fn enable(
    pool: &Pool,
    account: AccountKey,
    uid: Uuid,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    const DOING: &str = "enabling the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    accounts::lock(&mut transaction, [account]).await?;
    if !set_suspended(&mut transaction, account, uid, false).await? {
        return Ok(None);
    }
    let mut changes = Changes::default();
    let since = periods::open(&mut transaction, account, now, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)?;
    Ok(Some(since))
}

/// Stops metering an account at `now`, until it is enabled again.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn suspend(
    pool: &Pool,
    account: AccountKey,
    uid: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    const DOING: &str = "suspending the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    accounts::lock(&mut transaction, [account]).await?;
    if !set_suspended(&mut transaction, account, uid, true).await? {
        return Ok(());
    }
    let mut changes = Changes::default();
    periods::close(&mut transaction, account, now, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)
}

/// Returns false if another CloudAccount has the account.
async fn set_suspended(
    transaction: &mut PgConnection,
    account: AccountKey,
    uid: Uuid,
    suspended: bool,
) -> Result<bool, StoreError> {
    let updated = sqlx::query!(
        "update holder set suspended = $3 where cloud_account = $1 and uid = $2",
        account.0,
        uid,
        suspended
    )
    .execute(transaction)
    .await
    .doing("suspending or resuming the account")?;
    Ok(updated.rows_affected() > 0)
}

/// Stops metering the account of a CloudAccount at `now`, and lets others have it. Its history stays. A CloudAccount that has no account
/// (any more) is fine.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn release(pool: &Pool, uid: Uuid, now: Timestamp) -> Result<(), StoreError> {
    const DOING: &str = "releasing the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    let account = sqlx::query_scalar!("select cloud_account from holder where uid = $1", uid)
        .fetch_optional(&mut *transaction)
        .await
        .doing(DOING)?
        .map(AccountKey);
    let Some(account) = account else {
        return Ok(());
    };
    accounts::lock(&mut transaction, [account]).await?;
    let released = sqlx::query!(
        "delete from holder where cloud_account = $1 and uid = $2",
        account.0,
        uid
    )
    .execute(&mut *transaction)
    .await
    .doing(DOING)?;
    // Another one may have taken it over while the lock was waited for.
    if released.rows_affected() == 0 {
        return Ok(());
    }
    let mut changes = Changes::default();
    periods::close(&mut transaction, account, now, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)
}

/// Moves the start of the open period of an account back to `since`, as far as no earlier period is in the way: a suspension was meant.
pub async fn backfill(
    pool: &Pool,
    account: AccountKey,
    since: Timestamp,
) -> Result<(), StoreError> {
    const DOING: &str = "moving back the start of the account's metered period";
    let mut transaction = pool.begin().await.doing(DOING)?;
    accounts::lock(&mut transaction, [account]).await?;
    let mut changes = Changes::default();
    periods::extend(&mut transaction, account, since, &mut changes).await?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)
}

#[cfg(test)]
mod tests;
