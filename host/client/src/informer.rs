//! A local copy of one resource, kept current by list-then-watch.
//!
//! Loses nothing: a gap in the watch (410, or a broken stream) leads to a new list, whose
//! differences are delivered as events. Events of one object arrive in revision order; changes
//! that a new list skips over are delivered as one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use orch_object::{Kinds, Status};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Client, Kept, List, ListOptions, Object, Resource, Target};

/// A change to one object, after the store has been updated.
#[derive(Debug, Clone)]
pub enum Event<T = Arc<Value>> {
    Added(T),
    Modified {
        before: T,
        now: T,
    },
    /// The last known state.
    Deleted(T),
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
#[derive(Clone)]
pub struct Objects<T = Arc<Value>>(Arc<RwLock<HashMap<String, T>>>);

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Objects(Arc::default())
    }
}

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
    run(client, target, options, stop)
}

/// As [`start`], for kinds of which there may be many: their parsed forms are not kept.
pub fn follow(
    client: Arc<dyn Client>,
    target: Target,
    options: ListOptions,
    stop: CancellationToken,
) -> mpsc::UnboundedReceiver<Event<Object>> {
    run(client, target, options, stop).1
}

fn run<T: Kept>(
    client: Arc<dyn Client>,
    target: Target,
    options: ListOptions,
    stop: CancellationToken,
) -> (Objects<T>, mpsc::UnboundedReceiver<Event<T>>) {
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

/// Between the end of a watch and the next.
const BETWEEN_WATCHES: Duration = Duration::from_millis(10);

/// Between tries of what fails: 50 ms doubling to ten seconds.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Backoff(Duration::from_millis(50))
    }
}

impl Backoff {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(10));
    }
}

struct Reflector<T> {
    client: Arc<dyn Client>,
    target: Target,
    options: ListOptions,
    objects: Objects<T>,
    events: mpsc::UnboundedSender<Event<T>>,
}

/// How a watch ended.
enum Watched {
    /// What happened meanwhile is told by a new list alone.
    Expired,
    /// It can go on from the revision it had reached.
    Broken,
    /// Nobody listens any more.
    Unheard,
}

impl<T: Kept> Reflector<T> {
    /// Lists and watches for ever; returns when nobody listens any more.
    async fn run(self) {
        let mut backoff = Backoff::default();
        let mut first = true;
        while let Some(list) = self.list(&mut backoff).await {
            let mut version = list.resource_version;
            if !self.replace(list.items)
                || (std::mem::take(&mut first) && self.events.send(Event::Synced).is_err())
            {
                return;
            }
            loop {
                match self.watch(&mut version, &mut backoff).await {
                    Watched::Expired => break,
                    Watched::Broken => {}
                    Watched::Unheard => return,
                }
            }
        }
    }

    /// All objects, as soon as they can be had. `None`: nobody listens.
    async fn list(&self, backoff: &mut Backoff) -> Option<List<Object>> {
        loop {
            match self.client.list_objects(&self.target, &self.options).await {
                Ok(list) => return Some(list),
                Err(error) if self.is_gone(&error) => {
                    if !self.served_again().await {
                        return None;
                    }
                }
                Err(error) => {
                    tracing::warn!(resource = %self.target.resource.plural, %error, "list failed; trying again");
                    backoff.wait().await;
                }
            }
        }
    }

    /// Delivers what happens after the revision, which follows.
    async fn watch(&self, version: &mut String, backoff: &mut Backoff) -> Watched {
        let options = ListOptions {
            resource_version: Some(version.clone()),
            allow_bookmarks: true,
            ..self.options.clone()
        };
        let mut watch = match self.client.watch_objects(&self.target, &options).await {
            Ok(watch) => watch,
            Err(error) if error.is_expired() || self.is_gone(&error) => return Watched::Expired,
            Err(error) => {
                tracing::warn!(resource = %self.target.resource.plural, %error, "watch failed; trying again");
                backoff.wait().await;
                return Watched::Broken;
            }
        };
        *backoff = Backoff::default();
        let mut expired = false;
        while let Some(event) = watch.next().await {
            match event {
                Ok(event) => match self.apply(event) {
                    Some(seen) => *version = seen,
                    None => return Watched::Unheard,
                },
                Err(error) => {
                    expired = error.is_expired();
                    break;
                }
            }
        }
        if self.events.is_closed() {
            return Watched::Unheard;
        }
        if expired {
            return Watched::Expired;
        }
        tokio::time::sleep(BETWEEN_WATCHES).await;
        Watched::Broken
    }

    fn served(&self, kinds: &Kinds) -> bool {
        let Resource { group, version, plural } = &self.target.resource;
        kinds.by_plural(group, version, plural).is_some()
    }

    /// Whether a request failed because the kind's definition is gone.
    fn is_gone(&self, error: &Status) -> bool {
        error.code == 404 && !self.served(&self.client.kinds().borrow())
    }

    /// The objects are gone with their kind; returns when it is served again. False: nobody listens.
    async fn served_again(&self) -> bool {
        tracing::debug!(resource = %self.target.resource.plural, "not served any more");
        let mut kinds = self.client.kinds();
        self.replace(Vec::new())
            && tokio::select! {
                () = self.events.closed() => false,
                again = kinds.wait_for(|kinds| self.served(kinds)) => again.is_ok(),
            }
    }

    /// Delivers the difference between the store and a fresh list. False: nobody listens.
    fn replace(&self, items: Vec<Object>) -> bool {
        let fresh: HashMap<String, T> = items.into_iter().map(|o| (key(&o.value()), T::keep(o))).collect();
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
                    Some(before) => events.extend(differences(before, now)),
                }
            }
            *objects = fresh;
        }
        events.into_iter().all(|event| self.events.send(event).is_ok())
    }

    /// Applies one event; returns the revision now reached, or `None` when nobody listens.
    fn apply(&self, event: crate::WatchEvent<Object>) -> Option<String> {
        use crate::WatchEvent::{Added, Bookmark, Deleted, Modified};
        let (value, out) = match event {
            Bookmark(object) => (object.value(), None),
            Added(now) | Modified(now) => {
                let (value, now) = (now.value(), T::keep(now));
                let before = self.objects.0.write().insert(key(&value), now.clone());
                let event = match before {
                    Some(before) => Event::Modified { before, now },
                    None => Event::Added(now),
                };
                (value, Some(event))
            }
            Deleted(last) => {
                let value = last.value();
                self.objects.0.write().remove(&key(&value));
                (value, Some(Event::Deleted(T::keep(last))))
            }
        };
        if let Some(event) = out {
            self.events.send(event).ok()?;
        }
        Some(value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_string())
    }
}

/// What happened to an object of one name between two lists.
fn differences<T: Kept>(before: &T, now: &T) -> Vec<Event<T>> {
    let (old, new) = (before.value(), now.value());
    let same = |field: &str| old["metadata"][field] == new["metadata"][field];
    if !same("uid") {
        return vec![Event::Deleted(before.clone()), Event::Added(now.clone())];
    }
    if !same("resourceVersion") {
        return vec![Event::Modified { before: before.clone(), now: now.clone() }];
    }
    Vec::new()
}
