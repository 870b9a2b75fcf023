//! Owners of the accounts in the files, from CloudAccount manifests: a replay needs no Kubernetes.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::ingest::Recipients;
use cloudigrade_api::CloudAccountSpec;
use cloudigrade_cloud::RoleArn;
use cloudigrade_store::enrolments::{self, Claim, Claimant};
use cloudigrade_store::{Pool, StoreError, accounts};

/// Namespace of the UIDs of accounts that no Kubernetes has given one.
const UIDS: Uuid = uuid::uuid!("6d2f0b4e-0f59-5d2c-9d0c-2f6c52b0a1de");

/// Accounts could not be enrolled, and why.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum AccountsError {
    #[error("the manifests are not valid YAML: {0}")]
    Yaml(String),
    #[error("CloudAccount {name}: {why}")]
    Invalid { name: String, why: String },
    #[error("there is no CloudAccount in the manifests")]
    None,
    #[error(
        "CloudAccount {name}: account {account} is metered by {holder} for organization {org} already, not for {wanted}"
    )]
    OtherOrg {
        name: String,
        account: String,
        holder: String,
        org: String,
        wanted: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    spec: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
}

/// The CloudAccounts among manifests; other kinds may stand beside them.
///
/// # Errors
/// If the text is not YAML, a CloudAccount is not valid, or there is none.
pub fn read(yaml: &str) -> Result<Vec<Claimant>, AccountsError> {
    let manifests: Vec<Manifest> = serde_saphyr::from_multiple(yaml)
        .map_err(|error| AccountsError::Yaml(error.to_string()))?;
    let accounts: Vec<Claimant> = manifests
        .into_iter()
        .filter(|manifest| manifest.kind == "CloudAccount")
        .map(claimant)
        .collect::<Result<_, _>>()?;
    if accounts.is_empty() {
        return Err(AccountsError::None);
    }
    Ok(accounts)
}

fn claimant(manifest: Manifest) -> Result<Claimant, AccountsError> {
    let Metadata { name, namespace } = manifest.metadata;
    let namespace = namespace.unwrap_or_else(|| "default".into());
    let invalid = |why: String| AccountsError::Invalid {
        name: format!("{namespace}/{name}"),
        why,
    };
    let spec: CloudAccountSpec = serde_json::from_value(manifest.spec.unwrap_or_default())
        .map_err(|error| invalid(format!("spec: {error}")))?;
    let role: RoleArn = spec
        .aws
        .role_arn
        .parse()
        .map_err(|error| invalid(format!("spec.aws.roleArn: {error}")))?;
    Ok(Claimant {
        account_id: role.account_id().to_owned(),
        org_id: spec.owner.org_id,
        account_number: spec.owner.account_number,
        uid: Uuid::new_v5(&UIDS, format!("{namespace}/{name}").as_bytes()),
        namespace,
        name,
        // Younger than any: a CloudAccount in a cluster takes the account over whenever it comes.
        created_at: Timestamp::MAX,
        role_arn: role.as_str().to_owned(),
    })
}

/// Enrols the accounts that are not metered yet, from `since` on; of one that is metered, events count from the time it
/// was enabled. With `backfill` they count from `since` on, if that is earlier.
///
/// # Errors
/// If an account is metered for another organization, or Postgres does not answer.
pub async fn enrol(
    pool: &Pool,
    claimants: &[Claimant],
    since: Timestamp,
    backfill: bool,
) -> Result<Recipients, AccountsError> {
    for account in claimants {
        // A CloudAccount of the same name that has it already goes on having it.
        let enrolment = match enrolments::holder(pool, &account.account_id).await? {
            Some(holder) => Claim::Held(holder),
            None => enrolments::claim(pool, account, None, since).await?,
        };
        let enrolment = match enrolment {
            Claim::Ours(enrolment) => enrolment,
            Claim::Held(holder) if holder.org_id == account.org_id => holder,
            Claim::Held(holder) => {
                return Err(AccountsError::OtherOrg {
                    name: format!("{}/{}", account.namespace, account.name),
                    account: account.account_id.clone(),
                    holder: format!("{}/{}", holder.namespace, holder.name),
                    org: holder.org_id,
                    wanted: account.org_id.clone(),
                });
            }
        };
        if enrolment.enabled_at.is_none() && !enrolment.suspended {
            enrolments::enable(pool, enrolment.account, enrolment.uid, since).await?;
        }
        if backfill {
            enrolments::backfill(pool, enrolment.account, since).await?;
        }
    }
    let ids: Vec<&str> = claimants.iter().map(|a| a.account_id.as_str()).collect();
    Ok(accounts::recipients(pool, &ids).await?)
}
