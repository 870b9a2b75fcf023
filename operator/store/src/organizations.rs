//! Organizations: all that have, or had, an account metered.

use jiff::civil::Date;
use sqlx::{PgConnection, PgExecutor};

use super::{Doing, StoreError};

/// An organization, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id
    pub org_id: String,
    /// Day (UTC) of its first metered period
    pub since: Date,
    /// Another one whenever something that its usage is derived from has changed
    pub version: i64,
}

/// The row id of an organization, and its version: facts that are read later are at least as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrganizationVersion {
    pub(super) id: i32,
    pub(super) version: i64,
}

/// Returns the organization with this id; without one, that of the older account number, if it is the only one that has, or had, it.
pub async fn find(
    executor: impl PgExecutor<'_>,
    org_id: Option<&str>,
    account_number: Option<&str>,
) -> Result<Option<Organization>, StoreError> {
    let rows = sqlx::query!(
        r#"select org_id, version,
                  (select (coalesce(min(lower(span)), created_at) at time zone 'UTC')::date
                     from metered_period where organization = organization.id) as "since!: jiff_sqlx::Date"
             from organization
            where org_id = $1
               or ($1 is null and id in (select organization from holder where account_number = $2
                                         union select organization from metered_period where account_number = $2))
            limit 2"#,
        org_id,
        account_number,
    )
    .fetch_all(executor)
    .await
    .doing("looking up an organization")?;
    let [row] = rows.as_slice() else {
        return Ok(None);
    };
    Ok(Some(Organization {
        org_id: row.org_id.clone(),
        since: row.since.to_jiff(),
        version: row.version,
    }))
}

/// Reads the version of an organization, if it is known.
pub async fn version(
    executor: impl PgExecutor<'_>,
    org_id: &str,
) -> Result<Option<OrganizationVersion>, StoreError> {
    sqlx::query_as!(
        OrganizationVersion,
        "select id, version from organization where org_id = $1",
        org_id
    )
    .fetch_optional(executor)
    .await
    .doing("reading the version of an organization")
}

/// Returns the row id of `org_id`, which has a row from now on.
pub(super) async fn upsert(connection: &mut PgConnection, org_id: &str) -> Result<i32, StoreError> {
    const DOING: &str = "inserting the organization";
    sqlx::query!(
        "insert into organization (org_id) values ($1) on conflict do nothing",
        org_id
    )
    .execute(&mut *connection)
    .await
    .doing(DOING)?;
    sqlx::query_scalar!("select id from organization where org_id = $1", org_id)
        .fetch_one(connection)
        .await
        .doing(DOING)
}
