//! The result in an object of S3.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use houndigrade::error_chain;

const ATTEMPTS: u32 = 5;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(120);

/// Puts `json` there, with credentials, region and endpoint from the environment.
pub(super) async fn put(bucket: &str, key: &str, json: &str) -> Result<(), String> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(TIMEOUT)
                .build(),
        )
        .load()
        .await;
    let config = aws_sdk_s3::config::Builder::from(&config)
        // An endpoint of one's own seldom has a name for every bucket.
        .force_path_style(config.endpoint_url().is_some())
        .build();
    let put = Client::from_conf(config)
        .put_object()
        .bucket(bucket)
        .key(key)
        .content_type("application/json")
        .body(json.as_bytes().to_vec().into());
    match put.send().await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.as_service_error() {
            Some(refusal) => format!(
                "{}: {}",
                refusal.code().unwrap_or("no error code"),
                refusal.message().unwrap_or("no message")
            ),
            None => error_chain(&error),
        }),
    }
}
