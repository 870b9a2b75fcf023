//! The role of a CloudAccount, with its external id.

use k8s_openapi::api::core::v1::Secret as KubernetesSecret;
use kube::{Api, Client, ResourceExt};

use cloudigrade_api::{CloudAccount, SecretKeyRef};
use cloudigrade_cloud::{ExternalId, IamRole, InvalidExternalId, InvalidRoleArn};

/// Type of the Secrets that hold external ids, and the label of those of another type. No other Secret is read: whoever writes
/// a CloudAccount need not be somebody who may read the namespace's Secrets.
const EXTERNAL_ID: &str = "cloudigrade.io/external-id";

/// The spec does not lead to a role.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// `spec.aws.roleArn` cannot be read.
    #[error("CG1004 spec.aws.roleArn: {0}")]
    Arn(#[from] InvalidRoleArn),
    /// Neither an external id nor a reference to one.
    #[error("spec.aws: set exactly one of externalId and externalIdSecretRef")]
    NoExternalId,
    /// The Secret is not there.
    #[error(
        "Secret {0} of spec.aws.externalIdSecretRef does not exist in this namespace; create it"
    )]
    NoSecret(String),
    /// The Secret is not meant for the operator.
    #[error(
        "Secret {0} of spec.aws.externalIdSecretRef is not read: it has neither the type {EXTERNAL_ID} nor the label {EXTERNAL_ID}=true; set the label if it is meant to be"
    )]
    Unmarked(String),
    /// AWS would not take it as an external id.
    #[error("{place}: {source}")]
    ExternalId {
        /// Its field, with the Secret
        place: String,
        /// The rule
        source: InvalidExternalId,
    },
    /// The Secret has no such key, or its value is no text.
    #[error("Secret {secret} of spec.aws.externalIdSecretRef has no text under key {key:?}")]
    NoKey {
        /// Its name
        secret: String,
        /// The key
        key: String,
    },
    /// The Secret could not be read.
    #[error("reading Secret {name} of spec.aws.externalIdSecretRef: {source}")]
    Unreadable {
        /// Its name
        name: String,
        /// The answer of the API server, or none
        source: Box<kube::Error>,
    },
}

impl RoleError {
    /// Stable PascalCase word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Arn(_) => "InvalidRoleArn",
            Self::NoExternalId => "NoExternalId",
            Self::NoSecret(_) | Self::NoKey { .. } => "ExternalIdSecretMissing",
            Self::Unmarked(_) => "ExternalIdSecretUnmarked",
            Self::ExternalId { .. } => "InvalidExternalId",
            Self::Unreadable { .. } => "ExternalIdSecretUnreadable",
        }
    }
}

/// Resolves the role to assume for `account`. The Secret is read every time, so that a new external id is used at once.
///
/// # Errors
/// When the spec leads to no role.
pub async fn resolve_role(client: &Client, account: &CloudAccount) -> Result<IamRole, RoleError> {
    let aws = &account.spec.aws;
    let external_id = match (&aws.external_id, &aws.external_id_secret_ref) {
        (Some(id), _) => parse(id, "spec.aws.externalId".into())?,
        (None, Some(reference)) => {
            read(client, &account.namespace().unwrap_or_default(), reference).await?
        }
        (None, None) => return Err(RoleError::NoExternalId),
    };
    Ok(IamRole {
        arn: aws.role_arn.parse()?,
        external_id,
    })
}

async fn read(
    client: &Client,
    namespace: &str,
    reference: &SecretKeyRef,
) -> Result<ExternalId, RoleError> {
    let SecretKeyRef { name, key } = reference;
    let secret = Api::<KubernetesSecret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await;
    let secret = secret
        .map_err(|source| RoleError::Unreadable {
            name: name.clone(),
            source: Box::new(source),
        })?
        .ok_or_else(|| RoleError::NoSecret(name.clone()))?;
    if !is_marked(&secret) {
        return Err(RoleError::Unmarked(name.clone()));
    }
    let value = secret.data.as_ref().and_then(|data| data.get(key));
    // `kubectl create secret --from-file` keeps the line's end.
    let text = value
        .and_then(|value| std::str::from_utf8(&value.0).ok())
        .map(str::trim_end)
        .filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| RoleError::NoKey {
        secret: name.clone(),
        key: key.clone(),
    })?;
    let place = format!("key {key:?} of Secret {name} of spec.aws.externalIdSecretRef");
    parse(text, place)
}

fn parse(text: &str, place: String) -> Result<ExternalId, RoleError> {
    text.parse()
        .map_err(|source| RoleError::ExternalId { place, source })
}

fn is_marked(secret: &KubernetesSecret) -> bool {
    let label = secret.labels().get(EXTERNAL_ID).map(String::as_str);
    secret.type_.as_deref() == Some(EXTERNAL_ID) || label == Some("true")
}
