//! The roles as last resolved. A Secret that holds an external id is often deleted together with its CloudAccount, and goes
//! first: without this the trail could no longer be deleted.

use std::collections::HashMap;

use kube::Client;
use parking_lot::Mutex;

use crate::controllers::role::{RoleError, resolve_role};
use cloudigrade_api::CloudAccount;
use cloudigrade_cloud::IamRole;

/// Roles by the UID of their CloudAccount.
#[derive(Debug, Default)]
pub(super) struct RoleCache(Mutex<HashMap<String, IamRole>>);

impl RoleCache {
    /// Returns the role of `account` as it is now.
    pub(super) async fn resolve(
        &self,
        client: &Client,
        account: &CloudAccount,
    ) -> Result<IamRole, RoleError> {
        let role = resolve_role(client, account).await?;
        self.0.lock().insert(uid(account), role.clone());
        Ok(role)
    }

    /// Resolves the role if that was not done since the start.
    pub(super) async fn prime(&self, client: &Client, account: &CloudAccount) {
        let is_cached = self.0.lock().contains_key(&uid(account));
        if !is_cached && let Err(error) = self.resolve(client, account).await {
            tracing::debug!(%error, "the role is not known yet");
        }
    }

    /// Returns the role as it is now, or as it was before its Secret was gone, its external id or its ARN unreadable.
    pub(super) async fn resolve_or_cached(
        &self,
        client: &Client,
        account: &CloudAccount,
    ) -> Result<IamRole, RoleError> {
        match self.resolve(client, account).await {
            Err(
                error @ (RoleError::NoSecret(_)
                | RoleError::NoKey { .. }
                | RoleError::Unmarked(_)
                | RoleError::ExternalId { .. }
                | RoleError::Arn(_)),
            ) => self.0.lock().get(&uid(account)).cloned().ok_or(error),
            result => result,
        }
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.0.lock().remove(&uid(account));
    }
}

fn uid(account: &CloudAccount) -> String {
    account.metadata.uid.clone().unwrap_or_default()
}
