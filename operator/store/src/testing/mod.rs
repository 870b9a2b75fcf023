//! A database of its own for every test, on a real Postgres server.

mod pgbouncer;
pub mod server;

use std::ops::Deref;

use sqlx::ConnectOptions;

use crate::NewEvent;
use crate::Pool;
pub use pgbouncer::PgBouncer;
use server::execute;

/// An empty database with the schema in place; gone when dropped.
pub struct TestDatabase {
    pool: Pool,
    name: String,
    url: String,
}

impl TestDatabase {
    /// Makes it on the [`server`] of tests.
    pub async fn new() -> Self {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        execute(&format!("create database {name}")).await;
        let options = server::options().clone().database(&name);
        let url = options.to_url_lossy().to_string();
        crate::migrate(&url)
            .await
            .expect("migrating the test's database");
        let pool = crate::connect(&url, 8).expect("its URL");
        Self { pool, name, url }
    }

    /// For `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An outage: every connection is ended and none is accepted until [`Self::reconnect`].
    pub async fn cut_off(&self) {
        let name = &self.name;
        execute(&format!("alter database {name} allow_connections false")).await;
        execute(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ))
        .await;
    }

    /// Ends the outage.
    pub async fn reconnect(&self) {
        execute(&format!(
            "alter database {} allow_connections true",
            self.name
        ))
        .await;
    }

    /// Enrols a cloud account as its CloudAccount would, since the epoch; the enrolment's id.
    pub async fn enrol(&self, account: &str, org: &str) -> i64 {
        sqlx::query_scalar(
            "insert into enrolment (cloud_account_id, org_id, uid, namespace, name, created_at, enabled_at)
             values ($1, $2, $3, 'customers', $1, 'epoch', 'epoch') returning id",
        )
        .bind(account)
        .bind(org)
        .bind(uuid::Uuid::new_v4())
        .fetch_one(&self.pool)
        .await
        .expect("enrolling an account")
    }
}

impl Deref for TestDatabase {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database {} with (force)", self.name);
        // The test's own runtime is blocked here, so this takes one of its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(execute(&statement));
        });
        let _ = dropped.join();
    }
}

/// The events, as those of `enrolment`.
pub fn events_of(enrolment: i64, events: &[NewEvent]) -> Vec<NewEvent> {
    let of = |event: &NewEvent| NewEvent {
        enrolment,
        ..event.clone()
    };
    events.iter().map(of).collect()
}

/// Path of a script of `operator/store`. Tests of several crates start it, each from its own folder; the folder it was compiled in may
/// belong to another clone with the same target folder.
fn script(name: &str) -> std::path::PathBuf {
    let path = std::path::Path::new("operator/store").join(name);
    let here = std::env::current_dir().expect("the current folder");
    here.ancestors()
        .map(|folder| folder.join(&path))
        .find(|script| script.exists())
        .unwrap_or(path)
}
