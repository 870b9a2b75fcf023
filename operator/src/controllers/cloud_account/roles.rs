//! The roles as last read. A Secret that holds an external id is often deleted together with its CloudAccount, and goes first:
//! without this the trail could no longer be deleted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::Client;

use crate::controllers::role::{self, RoleError};
use cloudigrade_api::CloudAccount;
use cloudigrade_cloud::IamRole;

/// Roles by the UID of their CloudAccount.
#[derive(Debug, Default)]
pub(super) struct Roles(Mutex<HashMap<String, IamRole>>);

impl Roles {
    /// The role of `account` as it is now.
    pub(super) async fn read(
        &self,
        client: &Client,
        account: &CloudAccount,
    ) -> Result<IamRole, RoleError> {
        let role = role::of(client, account).await?;
        self.lock().insert(uid(account), role.clone());
        Ok(role)
    }

    /// Reads the role if it was not read since the start.
    pub(super) async fn learn(&self, client: &Client, account: &CloudAccount) {
        let known = self.lock().contains_key(&uid(account));
        if !known && let Err(error) = self.read(client, account).await {
            tracing::debug!(%error, "the role is not known yet");
        }
    }

    /// The role as it is now, or else as it was before its Secret was gone.
    pub(super) async fn last(
        &self,
        client: &Client,
        account: &CloudAccount,
    ) -> Result<IamRole, RoleError> {
        match self.read(client, account).await {
            Err(error @ (RoleError::NoSecret(_) | RoleError::NoKey { .. })) => {
                self.lock().get(&uid(account)).cloned().ok_or(error)
            }
            result => result,
        }
    }

    /// Forgets an account that is gone.
    pub(super) fn forget(&self, account: &CloudAccount) {
        self.lock().remove(&uid(account));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, IamRole>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uid(account: &CloudAccount) -> String {
    account.metadata.uid.clone().unwrap_or_default()
}
