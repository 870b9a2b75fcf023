//! Proof of access to an account.

use crate::{CloudError, ExternalId, IamRole};

/// Proves access to a customer's account.
pub trait Access: Send + Sync + 'static {
    /// The id of the account that the operator lives in.
    fn own_account(&self) -> impl Future<Output = Result<String, CloudError>> + Send;

    /// Returns true when `role` lets us in with `external_id` in place of its own, or without any.
    fn accepts(
        &self,
        role: &IamRole,
        external_id: Option<&ExternalId>,
    ) -> impl Future<Output = Result<bool, CloudError>> + Send;

    /// Assumes `role` anew; returns the id of its account.
    fn identity(&self, role: &IamRole) -> impl Future<Output = Result<String, CloudError>> + Send;

    /// Those of the actions we need that `role` may not do, in the cloud's own words, as in `ec2:DescribeImages`.
    /// Changes nothing. Actions that cannot be tried without doing them are taken to be allowed.
    fn denied(
        &self,
        role: &IamRole,
    ) -> impl Future<Output = Result<Vec<&'static str>, CloudError>> + Send;
}
