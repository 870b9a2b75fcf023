//! Organizations: whoever has, or had, an account enrolled.

use jiff::civil::Date;
use sqlx::PgExecutor;

use super::{Doing, StoreError};

/// One that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id
    pub org_id: String,
    /// Day (UTC) of its first enrolment
    pub since: Date,
    /// Another one whenever what its usage is derived from has changed
    pub version: String,
}

/// The organization with this id; without one, that of the older account number.
pub async fn find(
    executor: impl PgExecutor<'_>,
    org_id: Option<&str>,
    account_number: Option<&str>,
) -> Result<Option<Organization>, StoreError> {
    let row = sqlx::query!(
        r#"select org_id,
                  min(least(created_at, coalesce(enabled_at, created_at)) at time zone 'UTC')::date as "since!: jiff_sqlx::Date",
                  md5(string_agg(changed_at::text, ' ' order by id)) as "version!"
             from enrolment
            where org_id = $1 or ($1 is null and account_number = $2)
            group by org_id order by min(id) limit 1"#,
        org_id,
        account_number,
    )
    .fetch_optional(executor)
    .await
    .doing("looking up an organization")?;
    Ok(row.map(|row| Organization {
        org_id: row.org_id,
        since: row.since.to_jiff(),
        version: row.version,
    }))
}
