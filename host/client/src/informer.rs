//! A local copy of one resource, kept current by list-then-watch.
//!
//! Loses nothing: a gap in the watch (410, or a broken stream) leads to a new list, whose
//! differences are delivered as events. Events of one object arrive in revision order; changes
//! that a new list skips over are delivered as one.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Client, ListOptions, Target};

/// A change to one object, after the store has been updated.
#[derive(Debug, Clone)]
pub enum Event {
    Added(Arc<Value>),
    Modified {
        before: Arc<Value>,
        now: Arc<Value>,
    },
    /// The last known state.
    Deleted(Arc<Value>),
    /// The first list is in the store.
    Synced,
}

/// `namespace/name`, or `name` for cluster-scoped objects.
pub fn key(object: &Value) -> String {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    match meta["namespace"].as_str() {
        Some(ns) if !ns.is_empty() => format!("{ns}/{name}"),
        _ => name.to_string(),
    }
}

/// The current objects by [`key`]; cheap to clone.
#[derive(Clone, Default)]
pub struct Objects(Arc<RwLock<HashMap<String, Arc<Value>>>>);

impl Objects {
    /// Objects that nobody keeps current, for tests of what reads them.
    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        Objects(Arc::new(RwLock::new(objects.into_iter().map(|o| (key(&o), Arc::new(o))).collect())))
    }
    pub fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.read().get(key).cloned()
    }
    pub fn all(&self) -> Vec<Arc<Value>> {
        self.0.read().values().cloned().collect()
    }
    pub fn len(&self) -> usize {
        self.0.read().len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }
}

/// Starts an informer; it runs until `stop` is cancelled or the receiver is dropped.
pub fn start(
    client: Arc<dyn Client>,
    target: Target,
    options: ListOptions,
    stop: CancellationToken,
) -> (Objects, mpsc::UnboundedReceiver<Event>) {
    let objects = Objects::default();
    let (events, receiver) = mpsc::unbounded_channel();
    let reflector = Reflector { client, target, options, objects: objects.clone(), events };
    tokio::spawn(async move {
        tokio::select! {
            _ = stop.cancelled() => {}
            _ = reflector.run() => {}
        }
    });
    (objects, receiver)
}

struct Reflector {
    client: Arc<dyn Client>,
    target: Target,
    options: ListOptions,
    objects: Objects,
    events: mpsc::UnboundedSender<Event>,
}

impl Reflector {
    /// Lists and watches for ever; returns when nobody listens any more.
    async fn run(self) {
        use futures::StreamExt;
        let mut backoff = std::time::Duration::from_millis(50);
        let mut first = true;
        loop {
            let list = match self.client.list(&self.target, &self.options).await {
                Ok(list) => list,
                Err(error) => {
                    tracing::warn!(resource = %self.target.resource.plural, %error, "list failed; trying again");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(std::time::Duration::from_secs(10));
                    continue;
                }
            };
            let mut version = list.resource_version.clone();
            if !self.replace(list.items)
                || (std::mem::take(&mut first) && self.events.send(Event::Synced).is_err())
            {
                return;
            }
            loop {
                let options = ListOptions {
                    resource_version: Some(version.clone()),
                    allow_bookmarks: true,
                    ..self.options.clone()
                };
                let mut watch = match self.client.watch(&self.target, &options).await {
                    Ok(watch) => watch,
                    Err(error) if error.is_expired() => break,
                    Err(error) => {
                        tracing::warn!(resource = %self.target.resource.plural, %error, "watch failed; trying again");
                        tokio::time::sleep(backoff).await;
                        backoff = (backoff * 2).min(std::time::Duration::from_secs(10));
                        continue;
                    }
                };
                backoff = std::time::Duration::from_millis(50);
                let mut expired = false;
                while let Some(event) = watch.next().await {
                    match event {
                        Ok(event) => match self.apply(event) {
                            Some(seen) => version = seen,
                            None => return,
                        },
                        Err(error) => {
                            expired = error.is_expired();
                            break;
                        }
                    }
                }
                if self.events.is_closed() {
                    return;
                }
                if expired {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }

    /// Delivers the difference between the store and a fresh list. False: nobody listens.
    fn replace(&self, items: Vec<Arc<Value>>) -> bool {
        let fresh: HashMap<String, Arc<Value>> = items.into_iter().map(|o| (key(&o), o)).collect();
        let mut events = Vec::new();
        {
            let mut objects = self.objects.0.write();
            for (key, before) in objects.iter() {
                if !fresh.contains_key(key) {
                    events.push(Event::Deleted(before.clone()));
                }
            }
            for (key, now) in &fresh {
                match objects.get(key) {
                    None => events.push(Event::Added(now.clone())),
                    Some(before) if before["metadata"]["uid"] != now["metadata"]["uid"] => {
                        events.push(Event::Deleted(before.clone()));
                        events.push(Event::Added(now.clone()));
                    }
                    Some(before)
                        if before["metadata"]["resourceVersion"] != now["metadata"]["resourceVersion"] =>
                    {
                        events.push(Event::Modified { before: before.clone(), now: now.clone() })
                    }
                    Some(_) => {}
                }
            }
            *objects = fresh;
        }
        events.into_iter().all(|event| self.events.send(event).is_ok())
    }

    /// Applies one event; returns the revision now reached, or `None` when nobody listens.
    fn apply(&self, event: crate::WatchEvent) -> Option<String> {
        use crate::WatchEvent::{Added, Bookmark, Deleted, Modified};
        let (object, out) = match event {
            Bookmark(object) => (object, None),
            Added(now) | Modified(now) => {
                let before = self.objects.0.write().insert(key(&now), now.clone());
                let event = match before {
                    Some(before) => Event::Modified { before, now: now.clone() },
                    None => Event::Added(now.clone()),
                };
                (now, Some(event))
            }
            Deleted(last) => {
                self.objects.0.write().remove(&key(&last));
                (last.clone(), Some(Event::Deleted(last)))
            }
        };
        if let Some(event) = out {
            self.events.send(event).ok()?;
        }
        Some(object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_string())
    }
}
