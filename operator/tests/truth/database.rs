//! A database of the test's own.

use cloudigrade_store::testing::server;
use cloudigrade_store::{self as store, Pool};
use sqlx::ConnectOptions;

use super::Failure;

/// The schema is in it. It goes with its server; on one that `TEST_DATABASE_URL` names it stays, to be looked at.
pub(crate) struct Database {
    pub(crate) pool: Pool,
    /// For `DATABASE_URL`
    pub(crate) url: String,
}

impl Database {
    pub(crate) async fn new() -> Result<Self, Failure> {
        let name = format!("truth_{}", uuid::Uuid::new_v4().simple());
        server::execute(&format!("create database {name}")).await;
        let options = server::options().clone().database(&name);
        let url = options.to_url_lossy().to_string();
        store::migrate(&url).await?;
        let pool = store::connect(&url, 2)?;
        Ok(Self { pool, url })
    }
}
