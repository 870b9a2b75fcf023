//! A database of the test's own.

use cloudigrade_store::testing::server;
use cloudigrade_store::{self as store, Pool};
use sqlx::ConnectOptions;

use super::Failure;

/// A database with the schema. It ends with its server; on the one that `TEST_DATABASE_URL` names it stays, for a closer look.
pub(crate) struct TruthDatabase {
    pub(crate) pool: Pool,
    /// For `DATABASE_URL`
    pub(crate) url: String,
}

impl TruthDatabase {
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
