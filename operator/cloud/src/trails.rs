//! The trail that records the calls in a customer's account.

use jiff::Timestamp;

use crate::{CloudError, IamRole};

/// The trail we want: multi-region, with global services, write-only management events (docs/design/original.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailConfiguration {
    /// Its name
    pub name: String,
    /// The bucket of the own account that it writes to
    pub bucket: String,
}

/// A trail as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// Its ARN
    pub arn: String,
    /// The region it was made in
    pub home_region: String,
    /// The bucket it writes to
    pub bucket: String,
    /// It records all regions
    pub multi_region: bool,
    /// It records global services such as IAM
    pub global_events: bool,
    /// It writes under a prefix, where ingest does not look
    pub prefixed: bool,
}

/// Logging status of a trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggingStatus {
    /// It records
    pub logging: bool,
    /// When it last wrote to the bucket
    pub last_delivery: Option<Timestamp>,
    /// Why it could not write to the bucket when it last tried
    pub delivery_error: Option<String>,
}

/// Looks after the trail in a customer's account.
pub trait Trails: Send + Sync + 'static {
    /// The trail of that name in the home region.
    fn trail(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<Option<Trail>, CloudError>> + Send;

    /// Returns whether the trail selects write-only management events and nothing else.
    fn has_write_only_selectors(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send;

    /// Returns the logging status of the trail.
    fn logging_status(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<LoggingStatus, CloudError>> + Send;

    /// Creates the trail, which does not log yet; returns its ARN.
    fn create_trail(
        &self,
        role: &IamRole,
        trail: &TrailConfiguration,
    ) -> impl Future<Output = Result<String, CloudError>> + Send;

    /// Updates an existing trail to the configuration.
    fn update_trail(
        &self,
        role: &IamRole,
        trail: &TrailConfiguration,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Has the trail record management events that write, and nothing else.
    fn put_write_only_selectors(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Has the trail record.
    fn start_logging(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// Deletes the trail; that it is gone already is fine.
    fn delete_trail(
        &self,
        role: &IamRole,
        name: &str,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;
}
