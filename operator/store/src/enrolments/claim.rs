//! Claims: of the CloudAccounts that would meter an account, the oldest has it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Enrolment, periods, read_holder};
use crate::accounts::{self, AccountKey};
use crate::changes::{Changes, invalidate};
use crate::{Doing, Pool, StoreError, organizations};

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
    /// Its creation
    pub created_at: Timestamp,
    /// The role it names
    pub role_arn: String,
}

/// The effect of a claim on an account that has a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimPlan {
    /// The claimant is the holder.
    Keep,
    /// The claimant is the holder applied anew: one name in a namespace is one object at a time, so the holder is gone. Metering goes on
    /// without a gap.
    CarryOn,
    /// The claimant takes the account from the holder.
    Replace,
    /// The holder is older.
    Refuse,
}

impl Claimant {
    /// Returns the effect of a claim on the account of `holder`. A holder counts only while its CloudAccount exists: `gone` is the UID of
    /// one that the API server does not know any more. Of two made in the same second the holder keeps the account.
    pub fn plan(&self, holder: &Enrolment, gone: Option<Uuid>) -> ClaimPlan {
        let same_object = (&self.namespace, &self.name) == (&holder.namespace, &holder.name);
        if holder.uid == self.uid {
            ClaimPlan::Keep
        } else if same_object && holder.org_id == self.org_id {
            ClaimPlan::CarryOn
        } else if same_object || gone == Some(holder.uid) || self.created_at < holder.created_at {
            ClaimPlan::Replace
        } else {
            ClaimPlan::Refuse
        }
    }
}

/// Outcome of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The account is the claimant's.
    Ours(Enrolment),
    /// An older CloudAccount has it.
    Held(Enrolment),
}

/// Claims an account. From a holder that is younger, or gone, it is taken: whose period ends at `now`, in the very second in which the
/// claimant's can begin.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub async fn claim(
    pool: &Pool,
    claimant: &Claimant,
    gone: Option<Uuid>,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    const DOING: &str = "claiming the account";
    let mut transaction = pool.begin().await.doing(DOING)?;
    let account = upsert_account(&mut transaction, &claimant.account_id).await?;
    let other = account_of(&mut transaction, claimant).await?;
    accounts::lock(&mut transaction, [account].into_iter().chain(other)).await?;
    let mut changes = Changes::default();
    let holder = read_holder(&mut *transaction, &claimant.account_id).await?;
    match holder.map(|holder| (claimant.plan(&holder, gone), holder)) {
        Some((ClaimPlan::Refuse, holder)) => return Ok(Claim::Held(holder)),
        Some((ClaimPlan::Keep | ClaimPlan::CarryOn, _)) => {
            update(&mut transaction, account, claimant).await?;
        }
        replaced => {
            if replaced.is_some() {
                remove(&mut transaction, account, now, &mut changes).await?;
            }
            // The CloudAccount of that name had another account before it was applied anew.
            if let Some(other) = other.filter(|other| *other != account) {
                remove(&mut transaction, other, now, &mut changes).await?;
            }
            insert(&mut transaction, account, claimant).await?;
            changes.account(account);
        }
    }
    let holder = read_holder(&mut *transaction, &claimant.account_id).await?;
    let ours = holder.ok_or(sqlx::Error::RowNotFound).doing(DOING)?;
    invalidate(&mut transaction, &changes).await?;
    transaction.commit().await.doing(DOING)?;
    Ok(Claim::Ours(ours))
}

async fn upsert_account(
    transaction: &mut PgConnection,
    account_id: &str,
) -> Result<AccountKey, StoreError> {
    const DOING: &str = "inserting the cloud account";
    sqlx::query!(
        "insert into cloud_account (account_id) values ($1) on conflict do nothing",
        account_id
    )
    .execute(&mut *transaction)
    .await
    .doing(DOING)?;
    sqlx::query_scalar!(
        "select id from cloud_account where cloud = 'aws' and account_id = $1",
        account_id
    )
    .fetch_one(transaction)
    .await
    .map(AccountKey)
    .doing(DOING)
}

/// The account that a CloudAccount of the claimant's name has.
async fn account_of(
    transaction: &mut PgConnection,
    claimant: &Claimant,
) -> Result<Option<AccountKey>, StoreError> {
    let account = sqlx::query_scalar!(
        "select cloud_account from holder where namespace = $1 and name = $2",
        claimant.namespace,
        claimant.name
    )
    .fetch_optional(transaction)
    .await
    .doing("looking up the account of a CloudAccount")?;
    Ok(account.map(AccountKey))
}

/// Takes an account from its holder.
async fn remove(
    transaction: &mut PgConnection,
    account: AccountKey,
    now: Timestamp,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    periods::close(transaction, account, now, changes).await?;
    sqlx::query!("delete from holder where cloud_account = $1", account.0)
        .execute(transaction)
        .await
        .doing("taking the account from its holder")?;
    Ok(())
}

async fn insert(
    transaction: &mut PgConnection,
    account: AccountKey,
    claimant: &Claimant,
) -> Result<(), StoreError> {
    let organization = organizations::upsert(transaction, &claimant.org_id).await?;
    sqlx::query!(
        "insert into holder (cloud_account, uid, namespace, name, created_at, organization, account_number, role_arn)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        account.0,
        claimant.uid,
        claimant.namespace,
        claimant.name,
        &claimant.created_at.to_sqlx() as _,
        organization,
        claimant.account_number,
        claimant.role_arn,
    )
    .execute(transaction)
    .await
    .doing("inserting the holder of the account")?;
    Ok(())
}

/// The account number and the role are all that its owner can change of an enrolment; applied anew, it has another UID.
async fn update(
    transaction: &mut PgConnection,
    account: AccountKey,
    claimant: &Claimant,
) -> Result<(), StoreError> {
    const DOING: &str = "updating the holder of the account";
    sqlx::query!(
        "update holder set uid = $2, created_at = $3, account_number = $4, role_arn = $5
          where cloud_account = $1 and (uid, created_at, account_number, role_arn) is distinct from ($2, $3, $4, $5)",
        account.0,
        claimant.uid,
        &claimant.created_at.to_sqlx() as _,
        claimant.account_number,
        claimant.role_arn,
    )
    .execute(&mut *transaction)
    .await
    .doing(DOING)?;
    sqlx::query!(
        "update metered_period set account_number = $2
          where cloud_account = $1 and upper_inf(span) and account_number is distinct from $2",
        account.0,
        claimant.account_number,
    )
    .execute(transaction)
    .await
    .doing(DOING)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const OLDER: Timestamp = Timestamp::constant(1_700_000_000, 0);

    #[rstest]
    #[case::holder((1, "a", "org", NOW), None, ClaimPlan::Keep)]
    #[case::applied_anew((2, "a", "org", NOW), None, ClaimPlan::CarryOn)]
    #[case::applied_anew_for_another((2, "a", "other", NOW), None, ClaimPlan::Replace)]
    #[case::younger((2, "b", "org", NOW), None, ClaimPlan::Refuse)]
    #[case::older((2, "b", "org", OLDER), None, ClaimPlan::Replace)]
    #[case::of_one_that_is_gone((2, "b", "org", NOW), Some(1), ClaimPlan::Replace)]
    #[case::of_another_that_is_gone((2, "b", "org", NOW), Some(3), ClaimPlan::Refuse)]
    fn the_oldest_that_exists_has_the_account(
        #[case] (uid, name, org_id, created_at): (u128, &str, &str, Timestamp),
        #[case] gone: Option<u128>,
        #[case] plan: ClaimPlan,
    ) {
        let holder = Enrolment {
            account: AccountKey(1),
            org_id: "org".into(),
            uid: Uuid::from_u128(1),
            namespace: "customers".into(),
            name: "a".into(),
            created_at: NOW,
            enabled_at: None,
            suspended: false,
        };
        let claimant = Claimant {
            account_id: "210987654321".into(),
            org_id: org_id.into(),
            account_number: None,
            uid: Uuid::from_u128(uid),
            namespace: "customers".into(),
            name: name.into(),
            created_at,
            role_arn: "arn:aws:iam::210987654321:role/r".into(),
        };
        assert_eq!(claimant.plan(&holder, gone.map(Uuid::from_u128)), plan);
    }
}
