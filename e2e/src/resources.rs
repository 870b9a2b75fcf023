//! Custom resources in a namespace of their own.

use cloudigrade_api::{
    CloudAccount, CloudAccountRef, Conditions, ImageInspection, ImageInspectionSpec, Phase,
};
use k8s_openapi::api::core::v1::{Event, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::json;

use crate::{Customer, Failure, until};

/// A namespace with the custom resources of one test.
pub struct Resources {
    /// CloudAccounts
    pub accounts: Api<CloudAccount>,
    /// ImageInspections
    pub inspections: Api<ImageInspection>,
    /// Events
    pub events: Api<Event>,
    secrets: Api<Secret>,
    namespaces: Api<Namespace>,
    namespace: String,
}

impl Resources {
    pub(crate) async fn make(kube: &kube::Client, name: &str) -> Result<Self, Failure> {
        let namespaces: Api<Namespace> = Api::all(kube.clone());
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {
                "generateName": format!("{name}-"),
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"}
            }
        }))?;
        let namespace = namespaces
            .create(&PostParams::default(), &namespace)
            .await?
            .name_any();
        Ok(Self {
            accounts: Api::namespaced(kube.clone(), &namespace),
            inspections: Api::namespaced(kube.clone(), &namespace),
            events: Api::namespaced(kube.clone(), &namespace),
            secrets: Api::namespaced(kube.clone(), &namespace),
            namespaces,
            namespace,
        })
    }

    /// The manifest a customer would write.
    ///
    /// # Errors
    /// When it is not a CloudAccount.
    pub fn manifest(&self, name: &str, customer: &Customer) -> Result<CloudAccount, Failure> {
        Ok(serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1",
            "kind": "CloudAccount",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "owner": {"orgId": customer.org},
                "aws": {"roleArn": customer.role_arn, "externalId": customer.external_id},
                "resyncIntervalSeconds": 300
            }
        }))?)
    }

    /// Applies it as a customer would.
    ///
    /// # Errors
    /// Errors of the API server.
    pub async fn apply(&self, name: &str, customer: &Customer) -> Result<CloudAccount, Failure> {
        Ok(self
            .accounts
            .create(&PostParams::default(), &self.manifest(name, customer)?)
            .await?)
    }

    /// Makes a Secret of that type, with `value` under the key `value`.
    ///
    /// # Errors
    /// Errors of the API server.
    pub async fn secret(&self, name: &str, type_: &str, value: &str) -> Result<Secret, Failure> {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name}, "type": type_, "stringData": {"value": value}
        }))?;
        Ok(self.secrets.create(&PostParams::default(), &secret).await?)
    }

    /// Waits until a condition of an account has that status (and reason, when given).
    ///
    /// # Errors
    /// When it does not come, with the conditions as they are.
    pub async fn condition(
        &self,
        name: &str,
        type_: &str,
        status: &str,
        reason: Option<&str>,
    ) -> Result<Condition, Failure> {
        until(
            &format!("{type_}={status} {} of {name}", reason.unwrap_or_default()),
            || async {
                let account = self.accounts.get(name).await?;
                let conditions = account
                    .status
                    .map(|status| status.conditions)
                    .unwrap_or_default();
                let found = conditions
                    .find(type_)
                    .filter(|c| c.status == status && reason.is_none_or(|r| c.reason == r));
                found
                    .cloned()
                    .ok_or_else(|| format!("{conditions:?}").into())
            },
        )
        .await
    }

    /// Waits until the image's inspection has ended; its phase, and the resource.
    ///
    /// # Errors
    /// When none ends.
    pub async fn inspected(&self, image: &str) -> Result<(Phase, ImageInspection), Failure> {
        until(&format!("the inspection of {image}"), || async {
            let all = self.inspections.list(&ListParams::default()).await?;
            let found = all
                .into_iter()
                .find(|inspection| inspection.spec.image_id == image);
            let found = found.ok_or("no ImageInspection yet")?;
            let status = found.status.clone().unwrap_or_default();
            if status.phase.is_finished() {
                Ok((status.phase, found))
            } else {
                Err(format!("{status:?}").into())
            }
        })
        .await
    }

    /// Makes an inspection by hand.
    ///
    /// # Errors
    /// Errors of the API server.
    pub async fn inspect(
        &self,
        account: &str,
        image: &str,
        region: &str,
    ) -> Result<ImageInspection, Failure> {
        let spec = ImageInspectionSpec {
            cloud_account_ref: CloudAccountRef {
                name: account.into(),
            },
            image_id: image.into(),
            region: region.into(),
            ttl_seconds_after_finished: None,
        };
        let inspection = ImageInspection::new(&format!("by-hand-{image}"), spec);
        Ok(self
            .inspections
            .create(&PostParams::default(), &inspection)
            .await?)
    }

    /// Deletes an account and waits until it is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn delete(&self, name: &str) -> Result<(), Failure> {
        self.accounts.delete(name, &DeleteParams::default()).await?;
        until(&format!("{name} to be gone"), || async {
            match self.accounts.get_opt(name).await? {
                None => Ok(()),
                Some(left) => Err(format!("{:?}", left.status).into()),
            }
        })
        .await
    }

    /// Reasons of the events about that object.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn event_reasons(&self, name: &str) -> Result<Vec<String>, Failure> {
        let events = self
            .events
            .list(&ListParams::default().fields(&format!("involvedObject.name={name}")))
            .await?;
        Ok(events
            .into_iter()
            .filter_map(|event| event.reason)
            .collect())
    }

    /// Deletes the namespace. A failed test leaves its own for people to look at.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn done(self) -> Result<(), Failure> {
        self.namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await?;
        Ok(())
    }
}
