//! Cloud accounts: their keys, their locks, and the intervals in which they are metered.

use std::collections::HashMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use metering::usage::Period;
use sqlx::{PgConnection, PgExecutor};

use super::{Doing, StoreError};

/// Time after the end of a period in which files of it may still come. CloudTrail delivers within minutes, and keeps trying for a day.
const LATEST_DELIVERY: SignedDuration = SignedDuration::from_hours(24);

/// Names of log files tell the minute of their delivery.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Row id of a cloud account, whoever meters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct AccountKey(pub i32);

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As Postgres takes them.
pub(crate) fn ids(accounts: impl IntoIterator<Item = AccountKey>) -> Vec<i32> {
    accounts.into_iter().map(|account| account.0).collect()
}

/// Locks accounts against other writers until the end of the transaction. An account so has one writer at a time, and its instances
/// need no locks of their own. Locks are taken in the order of ids, so that two transactions can't wait for each other in a circle.
///
/// They are advisory: rows that foreign keys refer to are locked by their checks as well, in no order.
pub async fn lock(
    transaction: &mut PgConnection,
    accounts: impl IntoIterator<Item = AccountKey>,
) -> Result<(), StoreError> {
    let mut accounts = ids(accounts);
    accounts.sort_unstable();
    accounts.dedup();
    sqlx::query!(
        "select pg_advisory_xact_lock(1, id) from unnest($1::int[]) as id",
        &accounts
    )
    .fetch_all(transaction)
    .await
    .doing("locking cloud accounts")?;
    Ok(())
}

/// A cloud account whose events are recorded, because it is metered or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Row id
    pub account: AccountKey,
    /// The intervals in which it is metered, whoever meters it; open ones end at the end of time
    pub periods: Vec<Period>,
    /// Older events are not kept
    pub kept_since: Option<Timestamp>,
}

impl Recipient {
    /// Returns whether a log file that was delivered in the minute that begins then can hold events of a metered period. Trails that
    /// customers forgot would otherwise cost a read for each of their files, for ever.
    pub fn wants(&self, delivered_in: Option<Timestamp>) -> bool {
        let Some(minute) = delivered_in else {
            return !self.periods.is_empty();
        };
        let delivered_by = minute.saturating_add(MINUTE).unwrap_or(Timestamp::MAX);
        self.periods.iter().any(|period| {
            let latest = period.end.saturating_add(LATEST_DELIVERY);
            period.start < delivered_by && minute < latest.unwrap_or(Timestamp::MAX)
        })
    }
}

/// Returns those of `account_ids` that are metered, or were, by account id.
pub async fn recipients(
    executor: impl PgExecutor<'_>,
    account_ids: &[&str],
) -> Result<HashMap<String, Recipient>, StoreError> {
    let rows = sqlx::query!(
        r#"select account_id, cloud_account.id, lower(span) as "start!: jiff_sqlx::Timestamp",
                  upper(span) as "end: jiff_sqlx::Timestamp",
                  (select kept_since from retention) as "kept_since: jiff_sqlx::Timestamp"
             from cloud_account join metered_period on metered_period.cloud_account = cloud_account.id
            where cloud = 'aws' and account_id = any($1)
            order by lower(span)"#,
        account_ids as _,
    )
    .fetch_all(executor)
    .await
    .doing("looking up who meters cloud accounts")?;
    let mut recipients: HashMap<String, Recipient> = HashMap::new();
    for row in rows {
        let recipient = recipients
            .entry(row.account_id)
            .or_insert_with(|| Recipient {
                account: AccountKey(row.id),
                periods: Vec::new(),
                kept_since: row.kept_since.map(jiff_sqlx::Timestamp::to_jiff),
            });
        recipient.periods.push(Period {
            start: row.start.to_jiff(),
            end: row
                .end
                .map_or(Timestamp::MAX, jiff_sqlx::Timestamp::to_jiff),
        });
    }
    Ok(recipients)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::before("2026-03-01T09:59:00Z", false)]
    #[case::in_the_very_minute("2026-03-01T10:00:00Z", true)]
    #[case::within("2026-03-01T10:01:00Z", true)]
    #[case::late("2026-03-02T10:59:00Z", true)]
    #[case::too_late("2026-03-02T11:00:00Z", false)]
    #[case::of_the_next_period("2026-05-01T00:00:00Z", true)]
    fn files_are_wanted_from_the_start_of_a_period_to_a_day_after_its_end(
        #[case] delivered_in: Timestamp,
        #[case] wanted: bool,
    ) {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let period = |start, end| Period { start, end };
        let recipient = Recipient {
            account: AccountKey(1),
            periods: vec![
                period(time("2026-03-01T10:00:30Z"), time("2026-03-01T11:00:00Z")),
                period(time("2026-04-01T00:00:00Z"), Timestamp::MAX),
            ],
            kept_since: None,
        };
        assert_eq!(recipient.wants(Some(delivered_in)), wanted);
        assert!(
            recipient.wants(None),
            "a file whose name tells no time is read"
        );
    }
}
