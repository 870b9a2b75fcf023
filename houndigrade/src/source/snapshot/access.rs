//! Region and credentials for reading a snapshot.

use std::fmt;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region};
use aws_sdk_ebs::Client;
use aws_sdk_ebs::config::retry::{RetryPartition, TokenBucket};

/// One attempt at a call, until the answer begins.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// A call with its retries, throttling included.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Attempts at a call the API throttles or fails.
const CALL_ATTEMPTS: u32 = 8;
/// Budget for a snapshot's retries: one costs 5 after throttling, 14 after a failure.
const RETRY_BUDGET: usize = 5000;
/// Shown in the customer's CloudTrail.
const SESSION: &str = "houndigrade";

/// Region of a snapshot, and the role to read it with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotAccess {
    /// The environment's, if not given.
    pub region: Option<String>,
    /// Assumed with the credentials of the environment, if given.
    pub role: Option<SnapshotRole>,
}

/// A role to assume. Its external id is a secret: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotRole {
    /// Its ARN.
    pub arn: String,
    /// The external id of its trust policy.
    pub external_id: Option<String>,
}

impl fmt::Debug for SnapshotRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Role")
            .field("arn", &self.arn)
            .finish_non_exhaustive()
    }
}

/// Returns a client of the EBS direct API. Credentials and endpoint come from the environment; a role's credentials are renewed
/// in time.
pub async fn client(access: SnapshotAccess) -> Client {
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        );
    if let Ok(name) = AppName::new("houndigrade") {
        config = config.app_name(name);
    }
    if let Some(region) = access.region {
        config = config.region(Region::new(region));
    }
    let config = config.load().await;
    let mut ebs = aws_sdk_ebs::config::Builder::from(&config).retry_partition(budget());
    if let Some(role) = access.role {
        let mut provider = AssumeRoleProvider::builder(role.arn)
            .session_name(SESSION)
            .configure(&config);
        if let Some(external_id) = role.external_id {
            provider = provider.external_id(external_id);
        }
        ebs = ebs.credentials_provider(provider.build().await);
    }
    Client::from_conf(ebs.build())
}

/// Returns the number of attempts and the pauses between them.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(CALL_ATTEMPTS)
        .with_max_backoff(Duration::from_secs(10))
}

/// Returns the budget of a client's retries: many parallel calls would soon spend the default.
pub(super) fn budget() -> RetryPartition {
    RetryPartition::custom("snapshot")
        .token_bucket(TokenBucket::builder().capacity(RETRY_BUDGET).build())
        .build()
}
