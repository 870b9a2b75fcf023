//! Access to an AWS account: the role can be assumed and may do what is needed.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Aws, Policy, Session};
use crate::permissions::INVENTORY;
use cloudigrade_cloud::{Access, CloudError, ErrorKind, IamRole};

impl Access for Aws {
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

/// Reads the answer of a dry run: `DryRunOperation` means that the call would be allowed.
async fn probe<T, E>(
    session: &Session,
    operation: &'static str,
    dry_run: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<bool, CloudError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    // A yes comes as an error too, and is not to be counted as one.
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
