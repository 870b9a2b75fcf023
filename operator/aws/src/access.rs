//! Access to an AWS account: the role can be assumed and may do what is needed.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Aws, Policy, Session};
use crate::error_kind::error_kind;
use crate::permissions::INVENTORY;
use cloudigrade_cloud::{Access, CloudError, ErrorKind, ExternalId, IamRole};

/// Shortest session that AWS gives.
const SHORTEST_SESSION: Duration = Duration::from_secs(15 * 60);

impl Access for Aws {
    async fn own_account(&self) -> Result<String, CloudError> {
        Aws::own_account(self).await
    }

    async fn accepts(
        &self,
        role: &IamRole,
        external_id: Option<&ExternalId>,
    ) -> Result<bool, CloudError> {
        // Were the role to let us in, the session could do next to nothing.
        let policy = Policy::allow(&["sts:GetCallerIdentity"]);
        let request = self.assume_role(role, external_id, &policy, SHORTEST_SESSION);
        // A refusal is what is hoped for, and is not to be counted as one.
        let answer = async {
            match request.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_denied(&error) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.call_masking(Some(&role.external_id), "sts", "AssumeRole", answer)
            .await
    }

    async fn identity(&self, role: &IamRole) -> Result<String, CloudError> {
        let session = self.fresh_session(role, &Policy::allow(&INVENTORY)).await?;
        let identity = session
            .call(
                "sts",
                "GetCallerIdentity",
                session.sts().get_caller_identity().send(),
            )
            .await?;
        Ok(identity.account.unwrap_or_default())
    }

    async fn denied(&self, role: &IamRole) -> Result<Vec<&'static str>, CloudError> {
        let session = &self.session(role, &Policy::allow(&INVENTORY)).await?;
        let ec2 = &session.ec2(self.home_region());
        let (regions, instances, images) = tokio::join!(
            probe(
                session,
                "DescribeRegions",
                ec2.describe_regions().dry_run(true).send()
            ),
            probe(
                session,
                "DescribeInstances",
                ec2.describe_instances().dry_run(true).send()
            ),
            probe(
                session,
                "DescribeImages",
                ec2.describe_images().dry_run(true).send()
            ),
        );
        let allowed = [regions?, instances?, images?];
        Ok(INVENTORY
            .iter()
            .zip(allowed)
            .filter(|(_, allowed)| !allowed)
            .map(|(action, _)| *action)
            .collect())
    }
}

fn is_denied<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    error_kind(error.code().unwrap_or_default(), status) == ErrorKind::Denied
}

/// Reads the answer of a dry run: `DryRunOperation` means that the call would be allowed.
async fn probe<T, E>(
    session: &Session,
    operation: &'static str,
    dry_run: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<bool, CloudError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    // Permission is an error of the SDK too, and is not counted as one.
    let answer = async {
        match dry_run.await {
            Err(error) if error.code() == Some("DryRunOperation") => Ok(()),
            answer => answer.map(drop),
        }
    };
    match session.call("ec2", operation, answer).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::Denied => Ok(false),
        Err(error) => Err(error),
    }
}
