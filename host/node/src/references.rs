//! The ConfigMaps and Secrets that pods on this node use: read when needed, watched while used.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::try_join_all;
use orch_client::{Client, ListOptions, Resource, Status, Target, informer};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::pod::env::{SourceKind, Sources};
use crate::pod::inbox::{Inbox, Input};

/// Namespace, kind, name.
type Key = (String, SourceKind, String);

struct Watched {
    stop: CancellationToken,
    /// By pod uid.
    readers: HashMap<String, Inbox>,
}

pub struct References {
    client: Arc<dyn Client>,
    stop: CancellationToken,
    watched: Arc<Mutex<HashMap<Key, Watched>>>,
}

fn target(kind: SourceKind, namespace: &str) -> Target {
    match kind {
        SourceKind::ConfigMap => Target::within(&Resource::core("configmaps"), namespace),
        SourceKind::Secret => Target::within(&Resource::core("secrets"), namespace),
    }
}

/// Revisions are one growing sequence of numbers (DESIGN.md 3), so that newer can be told from older.
pub fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or_default()
}

impl References {
    pub fn new(client: Arc<dyn Client>, stop: CancellationToken) -> Self {
        References { client, stop, watched: Arc::default() }
    }

    /// Reads these objects as they are now; those that do not exist are left out.
    pub async fn fetch(&self, namespace: &str, names: Vec<(SourceKind, String)>) -> Result<Sources, Status> {
        let get = |(kind, name): (SourceKind, String)| async move {
            let target = Target { name: name.clone(), ..target(kind, namespace) };
            match self.client.get(&target).await {
                Ok(object) => Ok(Some(((kind, name), object))),
                Err(status) if status.is_not_found() => Ok(None),
                Err(status) => Err(status),
            }
        };
        Ok(try_join_all(names.into_iter().map(get)).await?.into_iter().flatten().collect())
    }

    /// Tells the pod of changes to these objects until [`References::release`].
    pub fn watch(&self, namespace: &str, names: Vec<(SourceKind, String)>, uid: &str, inbox: &Inbox) {
        let mut watched = self.watched.lock();
        for (kind, name) in names {
            let key = (namespace.to_string(), kind, name);
            let entry = watched.entry(key.clone()).or_insert_with(|| self.start(key));
            entry.readers.insert(uid.to_string(), inbox.clone());
        }
    }

    pub fn release(&self, uid: &str) {
        self.watched.lock().retain(|_, entry| {
            entry.readers.remove(uid);
            let used = !entry.readers.is_empty();
            if !used {
                entry.stop.cancel();
            }
            used
        });
    }

    fn start(&self, key: Key) -> Watched {
        let stop = self.stop.child_token();
        let (namespace, kind, name) = &key;
        let options =
            ListOptions { field_selector: format!("metadata.name={name}"), ..ListOptions::default() };
        let (_, events) =
            informer::start(self.client.clone(), target(*kind, namespace), options, stop.clone());
        tokio::spawn(forward(events, key, self.watched.clone(), stop.clone()));
        Watched { stop, readers: HashMap::new() }
    }
}

async fn forward(
    mut events: mpsc::UnboundedReceiver<informer::Event>,
    key: Key,
    watched: Arc<Mutex<HashMap<Key, Watched>>>,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            _ = stop.cancelled() => return,
            event = events.recv() => event,
        };
        let object: Arc<Value> = match event {
            Some(informer::Event::Added(object) | informer::Event::Modified { now: object, .. }) => object,
            // Volumes keep the content of a deleted object, as upstream's do.
            Some(informer::Event::Deleted(_) | informer::Event::Synced) => continue,
            None => return,
        };
        let version = version(&object);
        let watched = watched.lock();
        let readers = watched.get(&key).into_iter().flat_map(|entry| entry.readers.values());
        for reader in readers {
            reader.put(Input::ObjectChanged { kind: key.1, name: key.2.clone(), version });
        }
    }
}
