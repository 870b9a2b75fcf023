//! Configuration: flags, or the environment variables that their help names.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use cloudigrade_cloud::Secret;
use cloudigrade_store::retention::FEWEST_DAYS;

/// The database.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Postgres, as postgres://user:password@host:5432/database; by TLS unless the URL has sslmode=disable or prefer
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Secret,
}

/// Role of a process. Only `operator` needs a leader; `ingest` and `api` run on any number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProcessRole {
    /// Reconcile resources, and describe the instances and images in logs
    Operator,
    /// Take in log files
    Ingest,
    /// Answer the REST API; it believes the identity that a gateway in front vouches for
    Api,
}

/// For how many days events are kept: at least [`FEWEST_DAYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepDays(u32);

impl KeepDays {
    /// The moment so many days before `now`.
    pub fn before(self, now: Timestamp) -> Timestamp {
        let days = SignedDuration::from_hours(i64::from(self.0) * 24);
        now.saturating_sub(days).unwrap_or(Timestamp::MIN)
    }
}

impl FromStr for KeepDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(days) if days >= FEWEST_DAYS => Ok(Self(days)),
            _ => Err(format!("a number of days, {FEWEST_DAYS} at least")),
        }
    }
}

/// `cloudigrade run`
#[derive(Clone, Debug, Args)]
pub struct RunConfig {
    /// Roles of this process
    #[arg(long, env = "CLOUDIGRADE_ROLES", value_delimiter = ',', default_values = ["operator", "ingest"])]
    pub role: Vec<ProcessRole>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub database: Database,

    /// Largest number of database connections
    #[arg(long, env = "CLOUDIGRADE_DATABASE_CONNECTIONS", default_value_t = 10)]
    pub database_connections: u32,

    /// Serves /healthz, /readyz and /metrics
    #[arg(long, env = "CLOUDIGRADE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Serves the REST API
    #[arg(long, env = "CLOUDIGRADE_API_LISTEN", default_value = "0.0.0.0:8000")]
    pub api_listen: SocketAddr,

    /// Open the API's internal routes to callers whom Kubernetes allows to get their paths
    #[arg(long, env = "CLOUDIGRADE_INTERNAL_ROUTES", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::Set, default_value = "false")]
    pub internal_routes: bool,

    /// Services that may ask for any organization, with their keys of 16 characters or more, as {"service": "key"}
    #[arg(
        long,
        env = "CLOUDIGRADE_PSKS",
        hide_env_values = true,
        default_value = "{}",
        hide_default_value = true,
        value_name = "JSON"
    )]
    pub psks: Secret,

    /// Bucket of the own account that customers' trails write to
    #[arg(long, env = "CLOUDIGRADE_TRAIL_BUCKET", value_name = "BUCKET")]
    pub trail_bucket: String,

    /// SQS queue that the trail bucket notifies
    #[arg(long, env = "CLOUDIGRADE_QUEUE_URL", value_name = "URL")]
    pub queue_url: String,

    /// Bucket of the own account that inspections deliver to
    #[arg(long, env = "CLOUDIGRADE_RESULTS_BUCKET", value_name = "BUCKET")]
    pub results_bucket: String,

    /// Container image of the inspector
    #[arg(long, env = "CLOUDIGRADE_HOUNDIGRADE_IMAGE", value_name = "IMAGE")]
    pub houndigrade_image: String,

    /// Namespace of the inspectors' Jobs and of their credentials; that of the Lease when not set
    #[arg(
        long,
        env = "CLOUDIGRADE_INSPECTIONS_NAMESPACE",
        value_name = "NAMESPACE"
    )]
    pub inspections_namespace: Option<String>,

    /// Inspections that may run at once
    #[arg(long, env = "CLOUDIGRADE_MAX_INSPECTIONS", default_value_t = 20)]
    pub max_inspections: usize,

    /// Inspections that may run at once for one account
    #[arg(
        long,
        env = "CLOUDIGRADE_MAX_INSPECTIONS_PER_ACCOUNT",
        default_value_t = 5
    )]
    pub max_inspections_per_account: usize,

    /// Attempts before an image is given up
    #[arg(long, env = "CLOUDIGRADE_MAX_ATTEMPTS", default_value_t = 5)]
    pub max_attempts: u32,

    /// Days to keep events and recorded log files, 90 at least; for ever when not set. Runs and usage always stay
    #[arg(long, env = "CLOUDIGRADE_KEEP_DAYS", value_name = "DAYS")]
    pub keep_days: Option<KeepDays>,

    /// Watch only this namespace; all of them when not set
    #[arg(long, env = "CLOUDIGRADE_WATCH_NAMESPACE", value_name = "NAMESPACE")]
    pub watch_namespace: Option<String>,

    /// Namespace of the leader's Lease
    #[arg(
        long,
        env = "POD_NAMESPACE",
        default_value = "default",
        value_name = "NAMESPACE"
    )]
    pub namespace: String,

    /// Name of this replica, for the leader's Lease
    #[arg(
        long,
        env = "POD_NAME",
        default_value = "cloudigrade",
        value_name = "NAME"
    )]
    pub pod_name: String,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90", Some("2026-08-24T12:00:00Z"))]
    #[case("365", Some("2025-11-22T12:00:00Z"))]
    #[case("89", None)]
    #[case("-1", None)]
    #[case("ninety", None)]
    #[case("", None)]
    fn too_few_days_to_keep_are_refused(#[case] text: &str, #[case] since: Option<&str>) {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let days: Result<KeepDays, _> = text.parse();
        assert_eq!(
            days.ok().map(|days| days.before(now)),
            since.map(|since| since.parse().unwrap())
        );
    }

    #[test]
    fn ever_so_many_days_are_no_overflow() {
        let days: KeepDays = u32::MAX.to_string().parse().unwrap();
        assert_eq!(days.before(Timestamp::UNIX_EPOCH), Timestamp::MIN);
    }
}
