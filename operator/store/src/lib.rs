//! Facts in Postgres. The only place with SQL: one file a subject, functions that take a connection.
//!
//! Functions fail when Postgres can't be reached, is too slow or refuses a statement; a transaction they were given is of no use then.
//!
//! Nothing outlives a transaction (see [`Pool`]): no `set` without `local`, no `listen`, no lock, table or cursor of a session.
//!
//! Queries are `sqlx::query!` and its kin. Times: bind `&time.to_sqlx() as _`, read `column as "column: jiff_sqlx::Timestamp"`
//! and then `.to_jiff()`; lists: bind `&list as _` to `$1::text[]` and `unnest` it. After a change of a query or a migration
//! run `operator/store/sqlx-prepare` and commit `.sqlx` with it; tests take a `testing::TestDatabase`.

pub mod account_status;
pub mod accounts;
mod changes;
pub mod dead_letters;
pub mod discovery;
pub mod enrolments;
mod event;
pub mod events;
pub mod grants;
pub mod images;
pub mod inspections;
pub mod instance_types;
mod instances;
pub mod inventory;
pub mod ledger;
pub mod organizations;
#[cfg(test)]
mod plans;
mod pool;
pub mod resources;
pub mod retention;
mod runs;
// Part of tests only, also of other crates': a panic is how they fail.
#[cfg(any(test, feature = "testing"))]
#[allow(clippy::expect_used, clippy::panic)]
pub mod testing;
pub mod usage;
pub mod usage_days;

pub use accounts::AccountKey;
pub use changes::{Changes, invalidate};
pub use event::NewEvent;
pub use pool::{Pool, connect, connect_once};

use sqlx::migrate::MigrateError;

/// Something asked of Postgres did not work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be read; it is not repeated because it holds a password.
    #[error("DATABASE_URL is not a Postgres URL (postgres://user:password@host:5432/database)")]
    Url,
    /// A statement failed.
    #[error("{doing}: {source}")]
    Sql {
        /// Action, and its object
        doing: &'static str,
        /// Error of Postgres or of the connection
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("migrating the schema: {0}")]
    Migrate(#[from] MigrateError),
}

impl StoreError {
    /// Returns whether Postgres refused the data: a text with a NUL, a number out of range, a broken constraint.
    /// The same would be refused again.
    pub fn is_about_data(&self) -> bool {
        self.is_of_class("22") || self.is_of_class("23")
    }

    /// Returns whether a deadlock or a serialization failure ended the transaction: the next attempt will do.
    pub fn is_lost_race(&self) -> bool {
        self.is_of_class("40")
    }

    /// Classes are the first two letters of an SQLSTATE.
    fn is_of_class(&self, class: &str) -> bool {
        match self {
            Self::Sql {
                source: sqlx::Error::Database(error),
                ..
            } => error.code().is_some_and(|code| code.starts_with(class)),
            _ => false,
        }
    }
}

/// Says what was being done when a statement failed.
pub trait Doing<T> {
    /// Wraps the error with what was being done.
    fn doing(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sql {
            doing: what,
            source,
        })
    }
}

/// Brings the schema up to date; safe to repeat and to run side by side. Changes go forward only and are
/// embedded, so that no files are needed.
///
/// `url` leads to the server itself, not to PgBouncer.
///
/// # Errors
/// When Postgres cannot be reached or a migration fails.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    let mut migrations = sqlx::migrate!("../../migrations");
    // A version that was rolled back to meets its successor's migrations. They only ever add, so it can work.
    migrations.set_ignore_missing(true);
    Ok(migrations.run(&pool::directly(url)?).await?)
}

/// Proves that the database answers and has the schema.
pub async fn ping(pool: &Pool) -> Result<(), StoreError> {
    sqlx::query!("select id from cloud_account limit 1")
        .fetch_optional(pool)
        .await
        .map(drop)
        .doing("reading the database")
}

/// Proves that the database would record something: it is neither a standby nor read-only. A row is locked, which is a write.
///
/// # Errors
/// When it does not.
pub async fn prove_write(pool: &Pool) -> Result<(), StoreError> {
    sqlx::query("select id from cloud_account limit 1 for key share skip locked")
        .fetch_optional(pool)
        .await
        .map(drop)
        .doing("writing to the database")
}

#[cfg(test)]
mod tests {
    use super::migrate;
    use super::testing::TestDatabase;

    #[tokio::test]
    async fn a_version_that_is_rolled_back_to_starts_on_the_newer_schema() {
        let database = TestDatabase::new().await;
        sqlx::query(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, 'of the next version', true, '', 0)",
        )
        .execute(&*database)
        .await
        .unwrap();
        migrate(database.url()).await.unwrap();
    }
}
