//! `cloudigrade migrate`

use super::CommandError;
use crate::config::Database;
use crate::{observe, store};

/// Brings the schema up to date.
pub(super) async fn run(database: &Database) -> Result<(), CommandError> {
    observe::logs();
    let pool = store::connect(database.database_url.expose(), 1)?;
    store::migrate(&pool).await?;
    tracing::info!("the schema is up to date");
    Ok(())
}
