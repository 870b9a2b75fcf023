//! `cloudigrade migrate`

use super::CommandError;
use crate::config::Database;
use cloudigrade_cloud::Secret;
use cloudigrade_store::grants;

/// The schema, and the role to grant it to.
#[derive(Debug, clap::Args)]
pub(super) struct MigrateArgs {
    #[command(flatten)]
    database: Database,

    /// Let this existing role read and write, but change no table; the operator can then run as it
    #[arg(long, value_name = "ROLE")]
    grant_to: Option<String>,

    /// The same for the role that this URL logs in as
    #[arg(
        long,
        env = "CLOUDIGRADE_GRANT_TO_USER_OF",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with = "grant_to"
    )]
    grant_to_user_of: Option<Secret>,
}

/// Brings the schema up to date, and grants its use.
pub(super) async fn run(args: &MigrateArgs) -> Result<(), CommandError> {
    let role = match &args.grant_to_user_of {
        Some(url) => Some(
            grants::of_url(url.expose()).map_err(|_| "--grant-to-user-of: not a Postgres URL")?,
        ),
        None => args.grant_to.clone(),
    };
    let url = args.database.database_url.expose();
    cloudigrade_store::migrate(url).await?;
    tracing::info!("the schema is up to date");
    if let Some(role) = role {
        grants::grant(&cloudigrade_store::connect(url, 1)?, &role).await?;
        tracing::info!(role, "granted the use of the schema");
    }
    Ok(())
}
