//! The operator's pods.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};

use crate::{Failure, until};

/// The operator, as Helm installed it.
#[derive(Clone)]
pub struct Operator {
    pods: Api<Pod>,
}

impl Operator {
    pub(crate) fn new(kube: &kube::Client) -> Self {
        Self {
            pods: Api::namespaced(kube.clone(), "cloudigrade-system"),
        }
    }

    async fn names(&self) -> Result<Vec<String>, Failure> {
        let pods = self
            .pods
            .list(&ListParams::default().labels("app.kubernetes.io/name=cloudigrade"))
            .await?;
        let running = pods.into_iter().filter(|pod| {
            let ready = pod
                .status
                .as_ref()
                .and_then(|status| status.conditions.as_ref());
            let ready = ready
                .is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
            ready && pod.metadata.deletion_timestamp.is_none()
        });
        Ok(running.filter_map(|pod| pod.metadata.name).collect())
    }

    /// Kills it (SIGKILL, no grace).
    ///
    /// # Errors
    /// When there is none to kill.
    pub async fn kill(&self) -> Result<(), Failure> {
        let names = self.names().await?;
        if names.is_empty() {
            return Err("no ready operator to kill".into());
        }
        for name in names {
            self.pods
                .delete(&name, &DeleteParams::default().grace_period(0))
                .await?;
        }
        Ok(())
    }

    /// Waits until one is ready.
    ///
    /// # Errors
    /// When none becomes ready.
    pub async fn ready(&self) -> Result<(), Failure> {
        until("a ready operator", || async {
            if self.names().await?.is_empty() {
                Err("none is ready".into())
            } else {
                Ok(())
            }
        })
        .await
    }
}
