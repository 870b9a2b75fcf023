//! Changes of one transaction that usage and statuses follow, and the last statements of the transaction, which tell them.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use jiff_sqlx::ToSqlx;
use metering::usage::Period;
use sqlx::PgConnection;

use super::accounts::{AccountKey, ids};
use super::{Doing, StoreError};

/// Things that a transaction has changed. Hand it to [`invalidate`] at the end of the transaction, once.
#[derive(Debug, Default)]
#[must_use = "usage that is kept goes stale without invalidate()"]
pub struct Changes {
    /// Accounts whose status shows something else now
    accounts: BTreeSet<AccountKey>,
    /// Days, first and last, on which an account may have run otherwise than before
    of_accounts: BTreeSet<(AccountKey, Date, Date)>,
    /// Days that another organization may have, by its row id
    of_organizations: BTreeSet<(i32, Date, Date)>,
    /// Images whose facts, tags or descriptions are others, by row id
    images: BTreeSet<i64>,
}

impl Changes {
    /// An account's status shows something else.
    pub(super) fn account(&mut self, account: AccountKey) {
        self.accounts.insert(account);
    }

    /// An account runs otherwise than before.
    pub(super) fn span(&mut self, account: AccountKey, span: &Period) {
        let (first, last) = days(span);
        self.of_accounts.insert((account, first, last));
    }

    /// An organization has an account, or has it no more.
    pub(super) fn period(&mut self, organization: i32, span: &Period) {
        let (first, last) = days(span);
        self.of_organizations.insert((organization, first, last));
    }

    /// An image counts otherwise than before, perhaps.
    pub(super) fn image(&mut self, image: i64) {
        self.images.insert(image);
    }
}

/// Marks everything that `changes` concern, and deletes the days that may be others now: the last statements of a transaction, because
/// they lock organizations, which comes after all other locks.
pub async fn invalidate(
    transaction: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    mark_accounts(transaction, changes).await?;
    let organizations = organizations(transaction, changes).await?;
    if organizations.is_empty() {
        return Ok(());
    }
    lock_organizations(transaction, &organizations).await?;
    sqlx::query!(
        "update organization
            set version = version + 1,
                verdicts_changed_at = case when $2 then clock_timestamp() else verdicts_changed_at end
          where id = any($1)",
        &organizations,
        !changes.images.is_empty(),
    )
    .execute(&mut *transaction)
    .await
    .doing("marking organizations as changed")?;
    // Statements of their own, after the lock: they must see days that a reader kept while the lock was waited for.
    delete_days(transaction, changes).await?;
    delete_days_of_images(transaction, &organizations, &changes.images).await
}

/// Locks organizations (row ids in order) until the end of the transaction: who changes their usage, and who keeps a day of it.
pub(super) async fn lock_organizations(
    transaction: &mut PgConnection,
    organizations: &[i32],
) -> Result<(), StoreError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(2, id) from unnest($1::int[]) as id",
        organizations
    )
    .fetch_all(transaction)
    .await
    .doing("locking organizations")?;
    Ok(())
}

async fn mark_accounts(
    transaction: &mut PgConnection,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.accounts.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update cloud_account set changed_at = clock_timestamp() where id = any($1)",
        &ids(changes.accounts.iter().copied())
    )
    .execute(transaction)
    .await
    .doing("marking cloud accounts as changed")?;
    Ok(())
}

/// The organizations whose usage may be another one now, by row id, in order.
async fn organizations(
    transaction: &mut PgConnection,
    changes: &Changes,
) -> Result<Vec<i32>, StoreError> {
    let Changes {
        of_accounts,
        of_organizations,
        images,
        ..
    } = changes;
    if of_accounts.is_empty() && of_organizations.is_empty() && images.is_empty() {
        return Ok(Vec::new());
    }
    let (accounts, firsts, lasts) = columns(of_accounts.iter().map(|&(a, f, l)| (a.0, f, l)));
    let others: Vec<i32> = of_organizations.iter().map(|(id, ..)| *id).collect();
    let images: Vec<i64> = images.iter().copied().collect();
    sqlx::query_scalar!(
        r#"select organization as "organization!"
             from (select organization
                     from unnest($1::int[], $2::date[], $3::date[]) as span (account, first, last)
                     join metered_period on cloud_account = span.account
                      and span && tstzrange(first::timestamp at time zone 'UTC', (last + 1)::timestamp at time zone 'UTC')
                    union select unnest($4::int[])
                    union select organization from metered_period
                           where cloud_account in (select cloud_account from instance where image = any($5))) as touched
            order by organization"#,
        &accounts,
        &firsts as _,
        &lasts as _,
        &others,
        &images,
    )
    .fetch_all(transaction)
    .await
    .doing("looking up whose usage changes")
}

async fn delete_days(transaction: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    const DOING: &str = "deleting days whose usage changed";
    if !changes.of_accounts.is_empty() {
        let spans = changes.of_accounts.iter().map(|&(a, f, l)| (a.0, f, l));
        let (accounts, firsts, lasts) = columns(spans);
        sqlx::query!(
            "delete from usage_day
              using unnest($1::int[], $2::date[], $3::date[]) as span (account, first, last)
               join metered_period on cloud_account = span.account
              where usage_day.organization = metered_period.organization and day between first and last",
            &accounts,
            &firsts as _,
            &lasts as _,
        )
        .execute(&mut *transaction)
        .await
        .doing(DOING)?;
    }
    if !changes.of_organizations.is_empty() {
        let (organizations, firsts, lasts) = columns(changes.of_organizations.iter().copied());
        sqlx::query!(
            "delete from usage_day
              using unnest($1::int[], $2::date[], $3::date[]) as span (organization, first, last)
              where usage_day.organization = span.organization and day between first and last",
            &organizations,
            &firsts as _,
            &lasts as _,
        )
        .execute(transaction)
        .await
        .doing(DOING)?;
    }
    Ok(())
}

/// Deletes the days of `organizations` on which an instance of one of `images` ran.
async fn delete_days_of_images(
    transaction: &mut PgConnection,
    organizations: &[i32],
    images: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    if images.is_empty() {
        return Ok(());
    }
    let images: Vec<i64> = images.iter().copied().collect();
    sqlx::query!(
        "delete from usage_day
          where organization = any($1)
            and exists (
                select from instance
                  join metered_period using (cloud_account)
                  join run on run.instance = instance.id
                 where instance.image = any($2) and metered_period.organization = usage_day.organization
                   and run.started_at < (day + 1)::timestamp at time zone 'UTC'
                   and run.ended_at > day::timestamp at time zone 'UTC')",
        organizations,
        &images,
    )
    .execute(transaction)
    .await
    .doing("deleting the days that an image ran")?;
    Ok(())
}

/// Row ids, first days and last days, as Postgres takes them.
fn columns(
    spans: impl Iterator<Item = (i32, Date, Date)>,
) -> (Vec<i32>, Vec<jiff_sqlx::Date>, Vec<jiff_sqlx::Date>) {
    let (mut ids, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    for (id, first, last) in spans {
        ids.push(id);
        firsts.push(first.to_sqlx());
        lasts.push(last.to_sqlx());
    }
    (ids, firsts, lasts)
}

/// The first and the last day (UTC) that a span touches.
fn days(span: &Period) -> (Date, Date) {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    // Its end is no part of it: a span that ends at midnight leaves the next day alone.
    let last = span.end.saturating_sub(1.nanosecond()).unwrap_or(span.end);
    // Postgres must be able to name the day after.
    let last = day(last).min(jiff::civil::date(9999, 12, 30));
    (day(span.start), last)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::within_a_day(
        "2026-03-01T10:00:00Z",
        "2026-03-01T11:00:00Z",
        "2026-03-01",
        "2026-03-01"
    )]
    #[case::to_midnight(
        "2026-03-01T10:00:00Z",
        "2026-03-02T00:00:00Z",
        "2026-03-01",
        "2026-03-01"
    )]
    #[case::past_midnight(
        "2026-03-01T10:00:00Z",
        "2026-03-02T00:00:01Z",
        "2026-03-01",
        "2026-03-02"
    )]
    fn days_of_a_span(
        #[case] start: Timestamp,
        #[case] end: Timestamp,
        #[case] first: Date,
        #[case] last: Date,
    ) {
        assert_eq!(days(&Period { start, end }), (first, last));
    }

    #[test]
    fn an_open_span_touches_every_day_to_come() {
        let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let (first, last) = days(&Period {
            start,
            end: Timestamp::MAX,
        });
        assert_eq!(
            (first, last.year()),
            (start.to_zoned(TimeZone::UTC).date(), 9999)
        );
    }
}
