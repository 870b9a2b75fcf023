//! The finalizer, added and removed by hand: kube's helper removes it whenever a cleanup returns `Ok`, also when that
//! means "not yet".

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use cloudigrade_api::FINALIZER;

/// Adds our finalizer to `object`.
///
/// # Errors
/// When the API server refuses, for one because the object has changed since it was read.
pub async fn add<K>(api: &Api<K>, object: &K) -> kube::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let all: Vec<&str> = object
        .finalizers()
        .iter()
        .map(String::as_str)
        .chain([FINALIZER])
        .collect();
    write(api, object, json!(all)).await
}

/// Removes our finalizer from `object`. Treats 404 as success.
///
/// # Errors
/// As [`add`].
pub async fn remove<K>(api: &Api<K>, object: &K) -> kube::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let others: Vec<&str> = object
        .finalizers()
        .iter()
        .map(String::as_str)
        .filter(|name| *name != FINALIZER)
        .collect();
    match write(api, object, json!(others)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result,
    }
}

/// The resource version makes sure that no one else's finalizer, set meanwhile, is lost.
async fn write<K>(api: &Api<K>, object: &K, finalizers: Value) -> kube::Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": object.resource_version()}});
    api.patch(
        &object.name_any(),
        &PatchParams::default(),
        &Patch::Merge(patch),
    )
    .await
    .map(drop)
}
