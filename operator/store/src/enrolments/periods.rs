//! Metered periods: how they begin, end, and are extended. Each function is called with the account locked, in a transaction that ends
//! with [`super::invalidate`].

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use metering::usage::Period;
use sqlx::PgConnection;

use super::super::accounts::AccountKey;
use super::super::changes::Changes;
use super::super::{Doing, StoreError};

/// Returns the beginning of the second: periods begin and end at whole seconds.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The time from `start` on.
fn since(start: Timestamp) -> Period {
    Period {
        start,
        end: Timestamp::MAX,
    }
}

/// Opens a period for the holder of an account, at `now` or at the end of the period before. Returns the start of the open period, which
/// may have been open before.
pub(super) async fn open(
    transaction: &mut PgConnection,
    account: AccountKey,
    now: Timestamp,
    changes: &mut Changes,
) -> Result<Timestamp, StoreError> {
    const DOING: &str = "opening the account's metered period";
    let opened = sqlx::query!(
        r#"insert into metered_period (cloud_account, organization, account_number, namespace, name, span)
           select cloud_account, organization, account_number, namespace, name,
                  tstzrange(greatest($2, (select max(upper(span)) from metered_period where cloud_account = $1)), null)
             from holder
            where cloud_account = $1
              and not exists (select from metered_period where cloud_account = $1 and upper_inf(span))
        returning organization, lower(span) as "start!: jiff_sqlx::Timestamp""#,
        account.0,
        &whole_second(now).to_sqlx() as _,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    if let Some(opened) = opened {
        let start = opened.start.to_jiff();
        changes.account(account);
        changes.period(opened.organization, &since(start));
        return Ok(start);
    }
    sqlx::query_scalar!(
        r#"select lower(span) as "start!: jiff_sqlx::Timestamp" from metered_period
            where cloud_account = $1 and upper_inf(span)"#,
        account.0
    )
    .fetch_one(transaction)
    .await
    .map(jiff_sqlx::Timestamp::to_jiff)
    .doing(DOING)
}

/// Closes the open period of an account at `now`, if there is one. Nothing is left of one that began later, or in the same second.
pub(super) async fn close(
    transaction: &mut PgConnection,
    account: AccountKey,
    now: Timestamp,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    const DOING: &str = "closing the account's metered period";
    changes.account(account);
    let at = whole_second(now);
    let closed = sqlx::query_scalar!(
        "update metered_period set span = tstzrange(lower(span), $2)
          where cloud_account = $1 and upper_inf(span) and lower(span) < $2
      returning organization",
        account.0,
        &at.to_sqlx() as _,
    )
    .fetch_optional(&mut *transaction)
    .await
    .doing(DOING)?;
    if let Some(organization) = closed {
        changes.period(organization, &since(at));
        return Ok(());
    }
    let deleted = sqlx::query!(
        r#"delete from metered_period where cloud_account = $1 and upper_inf(span)
        returning organization, lower(span) as "start!: jiff_sqlx::Timestamp""#,
        account.0
    )
    .fetch_optional(transaction)
    .await
    .doing(DOING)?;
    if let Some(deleted) = deleted {
        changes.period(deleted.organization, &since(deleted.start.to_jiff()));
    }
    Ok(())
}

/// Moves the start of the open period of an account back to `since`, but not into the period before.
pub(super) async fn extend(
    transaction: &mut PgConnection,
    account: AccountKey,
    since: Timestamp,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    let extended = sqlx::query!(
        r#"update metered_period
              set span = tstzrange(greatest($2, (select max(upper(earlier.span)) from metered_period as earlier
                                                  where earlier.cloud_account = $1)), null)
            where cloud_account = $1 and upper_inf(span) and lower(span) > $2
        returning organization, lower(span) as "start!: jiff_sqlx::Timestamp""#,
        account.0,
        &whole_second(since).to_sqlx() as _,
    )
    .fetch_optional(transaction)
    .await
    .doing("moving back the start of the account's metered period")?;
    if let Some(extended) = extended {
        changes.account(account);
        let start = extended.start.to_jiff();
        changes.period(extended.organization, &self::since(start));
    }
    Ok(())
}
