//! One watch of a kind, for as many readers as like: a store of its objects, and a stream of their changes.

use std::fmt::Debug;
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{Stream, StreamExt};
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, Store, reflector};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// An object, or the reason why it can't be read: one such object does not stop the others.
pub type Guarded<K> = DeserializeGuard<K>;

/// A kind that can be watched.
pub trait Watchable:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Watchable for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// The watch of a kind. Its readers subscribe first; then it [runs](SharedWatch::run).
///
/// kube's own shared streams are not used: their `ReflectHandle` (5.0) forgets to wake its reader after an object that
/// is gone before it was read, and drops deletions.
pub struct SharedWatch<K: Watchable> {
    api: Api<Guarded<K>>,
    writer: Writer<Guarded<K>>,
    subscribers: Vec<UnboundedSender<Arc<Guarded<K>>>>,
}

/// A reader's part of a [`SharedWatch`].
pub struct Subscription<K: Watchable> {
    /// All objects
    pub store: Store<Guarded<K>>,
    /// Each object that was made, changed or deleted
    pub changes: UnboundedReceiver<Arc<Guarded<K>>>,
}

impl<K: Watchable> SharedWatch<K> {
    /// The watch of a kind in `namespace`, or in all of them. `client` must stand minutes of silence.
    pub fn new(client: &Client, namespace: Option<&str>) -> Self {
        Self {
            api: api(client, namespace),
            writer: reflector::store().1,
            subscribers: Vec::new(),
        }
    }

    /// Returns the store alone, for a reader that changes do not concern.
    pub fn store(&self) -> Store<Guarded<K>> {
        self.writer.as_reader()
    }

    /// Returns the store and the changes from now on.
    pub fn subscribe(&mut self) -> Subscription<K> {
        let (sender, changes) = unbounded();
        self.subscribers.push(sender);
        Subscription {
            store: self.store(),
            changes,
        }
    }

    /// Watches until dropped. Errors are logged, and the watch begins anew.
    pub async fn run(self) {
        let events = pruned(watcher(self.api, watcher::Config::default()));
        let mut changes = std::pin::pin!(reflector(self.writer, events).touched_objects());
        while let Some(change) = changes.next().await {
            match change {
                Ok(object) => {
                    let object = Arc::new(object);
                    for subscriber in &self.subscribers {
                        // A reader that is gone needs nothing.
                        let _ = subscriber.unbounded_send(object.clone());
                    }
                }
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watching"),
            }
        }
    }
}

/// Resources of a kind in `namespace`, or in all of them.
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Drops `managedFields`, about half of an object's size, before a store keeps them.
fn pruned<K: Watchable>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send {
    events
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use kube::runtime::reflector::ObjectRef;
    use serde_json::json;

    use super::*;
    use cloudigrade_api::CloudAccount;

    fn account() -> Guarded<CloudAccount> {
        serde_json::from_value(json!({
            "apiVersion": "cloudigrade.io/v1alpha1", "kind": "CloudAccount",
            "metadata": {"name": "acme", "namespace": "customers", "managedFields": [{"manager": "kubectl"}]},
            "spec": "of another version",
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn an_object_is_kept_without_its_managed_fields_even_one_that_cannot_be_read() {
        let (store, writer) = reflector::store();
        let events = stream::iter([Ok(watcher::Event::Apply(account()))]);
        let _: Vec<_> = reflector(writer, pruned(events)).collect().await;
        let kept = store
            .get(&ObjectRef::new("acme").within("customers"))
            .unwrap();
        assert!(kept.0.is_err());
        assert!(kept.managed_fields().is_empty());
    }
}
