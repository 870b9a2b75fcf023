//! Row locks on enrolments, by which writers of facts and readers of usage wait for each other. They are taken in the order of ids,
//! so that two transactions can't wait for each other in a circle, and last until the end of the transaction.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::{Doing, StoreError};

/// Locks enrolments against other writers; returns those that still take events. An account so has one writer at a time.
pub async fn lock_exclusive(
    connection: &mut PgConnection,
    enrolments: &[i64],
) -> Result<HashSet<i64>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, released_at is null and not suspended as "open!" from enrolment
            where id = any($1) order by id for no key update"#,
        enrolments,
    )
    .fetch_all(connection)
    .await
    .doing("locking enrolments")?;
    let open = rows.into_iter().filter(|row| row.open);
    Ok(open.map(|row| row.id).collect())
}

/// Locks the enrolments of `org` against writers. Usage computed from facts read after this call can be cached: a later change finds
/// it in `usage_day` and drops it.
pub async fn lock_shared(connection: &mut PgConnection, org: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "select id from enrolment where org_id = $1 order by id for share",
        org
    )
    .fetch_all(connection)
    .await
    .doing("locking the enrolments of an organization")?;
    Ok(())
}
