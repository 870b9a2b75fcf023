//! Sessions in customers' accounts: a role assumed with its external id, and never more rights than the step needs.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::json;

use cloudigrade_cloud::{CloudError, ErrorKind, ExternalId, IamRole};

use super::Aws;

/// How long a cached session is asked for; every role allows an hour.
const SESSION_DURATION: Duration = Duration::from_secs(3600);
/// How long it is used, so that no call begins with a session about to end.
const SESSION_USE: Duration = Duration::from_secs(50 * 60);

/// A session policy: the most that a session may do, even if the role allows more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy(String);

impl Policy {
    /// These actions, on anything.
    pub fn allow(actions: &[&str]) -> Self {
        Self::allow_on("*", actions)
    }

    /// These actions, on one resource.
    pub fn allow_on(resource: &str, actions: &[&str]) -> Self {
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": resource});
        Self(json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
    }
}

/// Sessions in use, by role, external id and policy. Concurrent callers share one `AssumeRole`.
#[derive(Clone, Debug)]
pub(super) struct Sessions(moka::future::Cache<(IamRole, Policy), Credentials>);

impl Default for Sessions {
    fn default() -> Self {
        Self(
            moka::future::Cache::builder()
                .max_capacity(50_000)
                .time_to_live(SESSION_USE)
                .build(),
        )
    }
}

/// A session of a customer's role.
#[derive(Clone, Debug)]
pub struct Session {
    aws: Aws,
    key: (IamRole, Policy),
    config: SdkConfig,
}

impl Aws {
    /// A session of `role` that may do what `policy` allows, from the cache if there is one.
    ///
    /// # Errors
    /// When the role cannot be assumed.
    pub async fn session(&self, role: &IamRole, policy: &Policy) -> Result<Session, CloudError> {
        let key = (role.clone(), policy.clone());
        let assumed = self.assume(role, policy, SESSION_DURATION);
        let credentials = self.sessions.0.try_get_with_by_ref(&key, assumed).await;
        let credentials = credentials.map_err(|error| CloudError::clone(&error))?;
        Ok(self.session_with(key, credentials))
    }

    /// A session that was not in the cache: proves that the role can be assumed now.
    ///
    /// # Errors
    /// When the role cannot be assumed.
    pub async fn fresh_session(
        &self,
        role: &IamRole,
        policy: &Policy,
    ) -> Result<Session, CloudError> {
        let key = (role.clone(), policy.clone());
        self.sessions.0.invalidate(&key).await;
        self.session(role, policy).await
    }

    /// Credentials of their own, for something else to use: 15 minutes to 12 hours, never cached.
    ///
    /// # Errors
    /// When the role cannot be assumed.
    pub async fn assume(
        &self,
        role: &IamRole,
        policy: &Policy,
        duration: Duration,
    ) -> Result<Credentials, CloudError> {
        let request = self.assume_role(role, Some(&role.external_id), policy, duration);
        let external_id = Some(&role.external_id);
        let answer = self
            .call_masking(external_id, "sts", "AssumeRole", request.send())
            .await?;
        let credentials = answer.credentials.ok_or_else(|| CloudError {
            kind: ErrorKind::Other,
            service: "sts",
            operation: "AssumeRole",
            code: "NoCredentials".into(),
            message: "the answer holds no credentials".into(),
        })?;
        Ok(Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            SystemTime::try_from(credentials.expiration).ok(),
            "AssumeRole",
        ))
    }

    /// A request for a session of `role`, which may have another external id or none: to see whether that is refused.
    pub(super) fn assume_role(
        &self,
        role: &IamRole,
        external_id: Option<&ExternalId>,
        policy: &Policy,
        duration: Duration,
    ) -> AssumeRoleFluentBuilder {
        let account = role.arn.account_id();
        self.sts()
            .assume_role()
            .role_arn(role.arn.as_str())
            .role_session_name(format!("cloudigrade-{account}"))
            .set_external_id(external_id.map(|id| id.expose().to_owned()))
            .policy(&policy.0)
            .duration_seconds(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX))
    }

    fn session_with(&self, key: (IamRole, Policy), credentials: Credentials) -> Session {
        let config = self
            .config()
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // These credentials don't renew themselves, and a cache would keep every one of them.
            .identity_cache(IdentityCache::no_cache())
            .build();
        Session {
            aws: self.clone(),
            key,
            config,
        }
    }
}

impl Session {
    /// The account that the role's ARN names.
    pub fn account_id(&self) -> &str {
        self.key.0.arn.account_id()
    }

    /// Configuration of this session in `region`.
    pub fn config(&self, region: &str) -> SdkConfig {
        self.config
            .to_builder()
            .region(Region::new(region.to_owned()))
            .build()
    }

    /// EC2 in `region`.
    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config(region))
    }

    /// CloudTrail in the home region.
    pub fn cloudtrail(&self) -> aws_sdk_cloudtrail::Client {
        aws_sdk_cloudtrail::Client::new(&self.config)
    }

    /// STS as the assumed role.
    pub fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }

    /// Makes a call within the budget of this account and service. A session that is refused is not used again.
    ///
    /// # Errors
    /// As [`Aws::call`].
    pub fn call<T, E>(
        &self,
        service: &'static str,
        operation: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CloudError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let external_id = Some(&self.key.0.external_id);
        let call = self.aws.call_masking(external_id, service, operation, call);
        async move {
            let budget = self.aws.budget(self.account_id(), service).await;
            // The semaphore is never closed; if it were, the call would go unlimited rather than not at all.
            let _permit = budget.acquire().await.ok();
            let result = call.await;
            if result.as_ref().is_err_and(|error| {
                matches!(error.kind, ErrorKind::Denied | ErrorKind::Credentials)
            }) {
                self.aws.sessions.0.invalidate(&self.key).await;
            }
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_allow_no_more_than_they_name() {
        let policy = Policy::allow_on(
            "arn:aws:ec2:eu-west-1::snapshot/snap-1",
            &["ebs:GetSnapshotBlock"],
        );
        assert_eq!(
            policy.0,
            r#"{"Statement":[{"Action":["ebs:GetSnapshotBlock"],"Effect":"Allow","Resource":"arn:aws:ec2:eu-west-1::snapshot/snap-1"}],"Version":"2012-10-17"}"#
        );
    }
}
