//! Creating ImageInspections: one an image, named after it, whoever uses it.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};

use super::Rounds;
use crate::controllers::image_inspection::{ACCOUNT_LABEL, eligibility};
use cloudigrade_api::{
    CloudAccount, CloudAccountRef, FIELD_MANAGER, ImageInspection, ImageInspectionSpec, MANAGED_BY,
};
use cloudigrade_store::StoreError;
use cloudigrade_store::inventory::{self, Uninspected};

impl<C> Rounds<C> {
    /// Makes an ImageInspection for every image that needs one and has none yet.
    pub(super) async fn create_inspections(&self) -> Result<(), StoreError> {
        let images = inventory::uninspected(&self.database).await?;
        if images.is_empty() {
            return Ok(());
        }
        let existing: HashSet<String> = self
            .inspections
            .state()
            .iter()
            .map(|inspection| inspection.name_any())
            .collect();
        for inspection in wanted(images, &existing, |namespace, name| {
            self.account(namespace, name)
        }) {
            let (name, namespace) = (
                inspection.name_any(),
                inspection.namespace().unwrap_or_default(),
            );
            let api: Api<ImageInspection> = Api::namespaced(self.client.clone(), &namespace);
            match api
                .patch(
                    &name,
                    &PatchParams::apply(FIELD_MANAGER),
                    &Patch::Apply(&inspection),
                )
                .await
            {
                Ok(_) => tracing::info!(namespace, name, "created an ImageInspection"),
                Err(error) => {
                    tracing::warn!(namespace, name, %error, "creating an ImageInspection")
                }
            }
        }
        Ok(())
    }
}

/// The inspections to make: each for the first account that lets its images be inspected. While none does, none is made.
fn wanted(
    images: Vec<Uninspected>,
    existing: &HashSet<String>,
    account: impl Fn(&str, &str) -> Option<CloudAccount>,
) -> Vec<ImageInspection> {
    images
        .into_iter()
        .filter(|image| !existing.contains(&image.image_id))
        .filter_map(|image| {
            let found = image
                .accounts
                .iter()
                .filter_map(|(namespace, name)| account(namespace, name));
            let eligible = { found }
                .find(|account| eligibility(&account.name_any(), Some(account)).is_ok())?;
            Some(inspection(image, &eligible))
        })
        .collect()
}

/// Goes when its account goes; another account that uses the image then asks for its own.
fn inspection(image: Uninspected, account: &CloudAccount) -> ImageInspection {
    let name = account.name_any();
    let owner = account
        .controller_owner_ref(&())
        .map(|owner| OwnerReference {
            controller: None,
            ..owner
        });
    ImageInspection {
        metadata: ObjectMeta {
            name: Some(image.image_id.clone()),
            namespace: account.namespace(),
            labels: Some(
                [MANAGED_BY, (ACCOUNT_LABEL, &name)]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: ImageInspectionSpec {
            cloud_account_ref: CloudAccountRef { name },
            image_id: image.image_id,
            region: image.region,
            ttl_seconds_after_finished: None,
        },
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(name: &str, ready: &str) -> CloudAccount {
        serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount",
            "metadata": {"name": name, "namespace": "customers", "uid": format!("uid-of-{name}")},
            "spec": {"owner": {"orgId": "1"}, "aws": {"roleArn": "arn:aws:iam::210987654321:role/m", "externalId": "xx"}},
            "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": "", "lastTransitionTime": "2026-11-22T12:00:00Z"}]},
        }))
        .unwrap()
    }

    fn image(id: &str, accounts: &[&str]) -> Uninspected {
        let accounts = accounts
            .iter()
            .map(|name| ("customers".to_owned(), (*name).to_owned()))
            .collect();
        Uninspected {
            image_id: id.into(),
            region: "us-east-1".into(),
            accounts,
        }
    }

    fn wanted_of(images: Vec<Uninspected>) -> Vec<ImageInspection> {
        wanted(
            images,
            &HashSet::from(["ami-asked-for".to_owned()]),
            |namespace, name| {
                assert_eq!(namespace, "customers");
                match name {
                    "acme" | "globex" => Some(account(name, "True")),
                    "broken" => Some(account(name, "False")),
                    _ => None,
                }
            },
        )
    }

    #[test]
    fn each_image_is_inspected_once_with_an_account_that_is_ready() {
        let made = wanted_of(vec![
            image("ami-0aaaaaaaa", &["gone", "broken", "globex", "acme"]),
            image("ami-asked-for", &["acme"]),
            image("ami-0bbbbbbbb", &["broken"]),
        ]);
        insta::assert_yaml_snapshot!(made);
    }
}
