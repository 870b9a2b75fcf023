//! A database of its own for every test, on a real Postgres server.

mod pgbouncer;
mod script;
pub mod server;

use std::ops::Deref;

use jiff::Timestamp;
use sqlx::ConnectOptions;

use crate::enrolments::{self, Claim, Claimant};
use crate::events::{self, RecordedEvents};
use crate::{AccountKey, Changes, NewEvent, Pool, invalidate};
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

    /// Makes connections read-only from now on, as a full disk or a failed-over server does, or writable again.
    pub async fn read_only(&self, read_only: bool) {
        let name = &self.name;
        execute(&format!(
            "alter database {name} set default_transaction_read_only = {read_only}"
        ))
        .await;
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

    /// Enrols a cloud account as its CloudAccount would, which is called like it, and meters it since the epoch.
    pub async fn enrol(&self, account: &str, org: &str) -> AccountKey {
        let claimant = Claimant {
            account_id: account.into(),
            org_id: org.into(),
            account_number: None,
            uid: uuid::Uuid::new_v4(),
            namespace: "customers".into(),
            name: account.into(),
            created_at: Timestamp::UNIX_EPOCH,
            role_arn: format!("arn:aws:iam::{account}:role/metering"),
        };
        let claim = enrolments::claim(&self.pool, &claimant, None, Timestamp::UNIX_EPOCH).await;
        let Claim::Ours(enrolment) = claim.expect("a claim") else {
            panic!("another CloudAccount has {account}");
        };
        enrolments::enable(
            &self.pool,
            enrolment.account,
            claimant.uid,
            Timestamp::UNIX_EPOCH,
        )
        .await
        .expect("enabling an account");
        enrolment.account
    }

    /// Records events as a log file's would be.
    pub async fn record(&self, events: &[NewEvent]) -> RecordedEvents {
        let mut transaction = self.pool.begin().await.expect("a transaction");
        let mut changes = Changes::default();
        let recorded = events::record(&mut transaction, events, &mut changes)
            .await
            .expect("recording events");
        invalidate(&mut transaction, &changes)
            .await
            .expect("dropping usage that changed");
        transaction.commit().await.expect("committing events");
        recorded
    }

    /// Drops the usage that rests on an image that a test has changed by hand, by its row id.
    pub async fn image_changed(&self, image: i64) {
        let mut transaction = self.pool.begin().await.expect("a transaction");
        let mut changes = Changes::default();
        changes.image(image);
        invalidate(&mut transaction, &changes)
            .await
            .expect("dropping usage that changed");
        transaction.commit().await.expect("committing");
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

/// The events, as those of `account`.
pub fn events_of(account: AccountKey, events: &[NewEvent]) -> Vec<NewEvent> {
    let of = |event: &NewEvent| NewEvent {
        account,
        ..event.clone()
    };
    events.iter().map(of).collect()
}
