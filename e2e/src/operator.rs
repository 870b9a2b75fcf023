//! The operator's pods.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::process::Command;

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

    async fn running(&self) -> Result<Vec<Pod>, Failure> {
        let pods =
            self.pods
                .list(&ListParams::default().labels(
                    "app.kubernetes.io/name=cloudigrade,app.kubernetes.io/component=operator",
                ))
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
        Ok(running.collect())
    }

    /// Kills it: its process by SIGKILL, where containerd can be reached, and then its pod, so that the next one
    /// need not wait for the kubelet's patience with containers that crash.
    ///
    /// # Errors
    /// When there is none to kill.
    pub async fn kill(&self) -> Result<(), Failure> {
        let pods = self.running().await?;
        if pods.is_empty() {
            return Err("no ready operator to kill".into());
        }
        for pod in pods {
            if std::env::var_os("CONTAINERD_ADDRESS").is_some() {
                kill_processes(&pod).await?;
            }
            self.pods
                .delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
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
            if self.running().await?.is_empty() {
                Err("none is ready".into())
            } else {
                Ok(())
            }
        })
        .await
    }
}

/// Sends SIGKILL to the process of a pod: a forced deletion sends SIGTERM first, and waits.
async fn kill_processes(pod: &Pod) -> Result<(), Failure> {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let ids = statuses
        .into_iter()
        .flatten()
        .filter_map(|status| status.container_id.as_deref());
    for id in ids.filter_map(|id| id.strip_prefix("containerd://")) {
        let kill = [
            "--namespace",
            "k8s.io",
            "tasks",
            "kill",
            "--signal",
            "SIGKILL",
            id,
        ];
        let output = Command::new("ctr").args(kill).output().await?;
        if !output.status.success() {
            return Err(format!("ctr: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
    }
    Ok(())
}
