//! The operator's own identity in AWS, and the one door that every call goes through.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::{OnceCell, Semaphore};
use tracing::Instrument;

use super::session::Sessions;
use crate::error_kind::error_kind;
use crate::metrics::{AwsCall, AwsMetrics};
use cloudigrade_cloud::{CloudError, ErrorKind, ExternalId};

/// Region of trails and of STS unless `AWS_REGION` names another.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest time for one attempt; a long poll of SQS takes 20 s of it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for a call with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
const ATTEMPTS: u32 = 3;
/// Calls of one account to one service that may be under way at once.
const CALLS_AT_ONCE: usize = 8;

/// AWS, as the operator's own identity. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    metrics: AwsMetrics,
    pub(super) sessions: Sessions,
    budgets: moka::future::Cache<(String, &'static str), Arc<Semaphore>>,
    own_account: Arc<OnceCell<String>>,
}

impl Aws {
    /// Reads credentials, region and endpoint as every AWS tool does (`AWS_*`, profile, web identity, instance role).
    pub async fn load(metrics: AwsMetrics) -> Self {
        let region = aws_config::meta::region::RegionProviderChain::default_provider()
            .or_else(Region::from_static(DEFAULT_REGION));
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(OPERATION_TIMEOUT)
                    .build(),
            );
        if let Ok(name) = AppName::new("cloudigrade") {
            loader = loader.app_name(name);
        }
        Self::with_config(loader.load().await, metrics)
    }

    /// AWS with a configuration made elsewhere.
    pub fn with_config(config: SdkConfig, metrics: AwsMetrics) -> Self {
        let budgets = moka::future::Cache::builder()
            .time_to_idle(Duration::from_secs(600))
            .build();
        Self {
            config,
            metrics,
            sessions: Sessions::default(),
            budgets,
            own_account: Arc::default(),
        }
    }

    /// Configuration of the own identity, in the home region.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The 12 digits of the account that the own identity is in, asked for once.
    ///
    /// # Errors
    /// When AWS refuses, or names no account.
    pub async fn own_account(&self) -> Result<String, CloudError> {
        const SERVICE: &str = "sts";
        const OPERATION: &str = "GetCallerIdentity";
        let asked = self.own_account.get_or_try_init(async || {
            let answer = self.call(SERVICE, OPERATION, self.sts().get_caller_identity().send());
            answer.await?.account.ok_or_else(|| CloudError {
                kind: ErrorKind::Other,
                service: SERVICE,
                operation: OPERATION,
                code: "NoAccount".into(),
                message: "the answer names no account".into(),
            })
        });
        asked.await.cloned()
    }

    /// The region that trails are made in.
    pub fn home_region(&self) -> &str {
        self.config
            .region()
            .map_or(DEFAULT_REGION, |region| region.as_ref())
    }

    /// S3 in the own account. An endpoint of its own has no names for buckets, so the path carries them.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.config.endpoint_url().is_some())
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// EC2 in `region`, as the own identity.
    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let config = self.config.to_builder();
        aws_sdk_ec2::Client::new(&config.region(Region::new(region.to_owned())).build())
    }

    /// SQS in the own account.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// STS as the own identity.
    pub fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }

    /// Makes a call: traced, timed, counted, its error put into our words.
    ///
    /// # Errors
    /// The SDK's error, after its own retries.
    pub fn call<T, E>(
        &self,
        service: &'static str,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CloudError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.call_masking(None, service, operation, call)
    }

    /// As [`Self::call`], for a role with this external id: its error does not show it, not even in the log.
    pub(super) fn call_masking<T, E>(
        &self,
        external_id: Option<&ExternalId>,
        service: &'static str,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CloudError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // The SDK's futures are tens of kilobytes large; in those of their callers that would add up.
        let call = Box::pin(call.instrument(tracing::debug_span!("aws", service, operation)));
        async move {
            let begun = Instant::now();
            let result = call.await.map_err(|error| {
                let error = explain(service, operation, &error);
                match external_id {
                    Some(external_id) => error.masking(external_id),
                    None => error,
                }
            });
            let outcome = result.as_ref().map_or_else(CloudError::outcome, |_| "ok");
            let call = AwsCall {
                service,
                operation,
                outcome,
            };
            self.metrics.record(call, begun.elapsed());
            if let Err(error) = &result {
                tracing::debug!(%error, "call to AWS failed");
            }
            result
        }
    }

    /// Limits the simultaneous calls of one account to one service.
    pub(super) async fn budget(&self, account: &str, service: &'static str) -> Arc<Semaphore> {
        let budget = async { Arc::new(Semaphore::new(CALLS_AT_ONCE)) };
        self.budgets
            .get_with((account.to_owned(), service), budget)
            .await
    }
}

/// An SDK error in our words.
fn explain<E>(
    service: &'static str,
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let http_status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default();
    let kind = match error {
        SdkError::TimeoutError(_) => ErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => ErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_io() => ErrorKind::Unavailable,
        // The SDK found no credentials of our own, or could not load them.
        SdkError::DispatchFailure(_) => ErrorKind::Credentials,
        _ => error_kind(code, http_status),
    };
    let code = match (code, kind, http_status) {
        ("", ErrorKind::Timeout, _) => "Timeout".to_owned(),
        ("", ErrorKind::Unavailable, None) => "NoConnection".to_owned(),
        ("", ErrorKind::Credentials, _) => "NoCredentials".to_owned(),
        ("", _, Some(status)) => format!("HTTP {status}"),
        ("", _, None) => "NoAnswer".to_owned(),
        (code, _, _) => code.to_owned(),
    };
    let message = error.message().map_or_else(
        || error_chain(error),
        |message| strip_volatile(message).to_owned(),
    );
    CloudError {
        kind,
        service,
        operation,
        code,
        message,
    }
}

/// EC2 adds a token that differs with every call; a message that is never the same twice would be written every time.
fn strip_volatile(message: &str) -> &str {
    message
        .split("Encoded authorization failure message:")
        .next()
        .unwrap_or(message)
        .trim_end()
}

/// The error with its causes, in one line.
fn error_chain(error: &dyn Error) -> String {
    let mut chain = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    chain.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::operation::assume_role::AssumeRoleError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_repeats_an_external_id_is_passed_on_without_it() {
        let config = SdkConfig::builder().build();
        let aws = Aws::with_config(config, AwsMetrics::default());
        let external_id: ExternalId = "acme-external-id".parse().unwrap();
        let answer = ErrorMetadata::builder()
            .code("ValidationError")
            .message("Value 'acme-external-id' at 'externalId' failed to satisfy constraint")
            .build();
        let status = 400.try_into().unwrap();
        let refused: Result<(), _> = Err(SdkError::service_error(
            AssumeRoleError::generic(answer),
            HttpResponse::new(status, SdkBody::empty()),
        ));
        let call = aws.call_masking(Some(&external_id), "sts", "AssumeRole", async { refused });
        let error = call.await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "sts AssumeRole: ValidationError: Value '***' at 'externalId' failed to satisfy constraint"
        );
    }

    #[test]
    fn messages_do_not_change_from_call_to_call() {
        let message = "You are not authorized to perform this operation. Encoded authorization failure message: 4f7a-once";
        assert_eq!(
            strip_volatile(message),
            "You are not authorized to perform this operation."
        );
    }
}
