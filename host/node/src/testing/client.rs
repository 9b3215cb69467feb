use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, List, ListOptions, Patch, PatchType, Status, Target, Watch, WatchEvent,
    WriteOptions,
};
use orch_object::Kinds;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

type Key = (String, String, String);

struct Change {
    revision: u64,
    plural: String,
    event: WatchEvent,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Key, Arc<Value>>,
    log: Vec<Arc<Change>>,
    revision: u64,
    tokens: usize,
}

/// As much of an API server as a node talks to.
pub struct FakeClient {
    inner: Arc<Mutex<Inner>>,
    revision: watch::Sender<u64>,
}

impl Default for FakeClient {
    fn default() -> Self {
        FakeClient { inner: Arc::default(), revision: watch::channel(0).0 }
    }
}

fn key(target: &Target) -> Key {
    (target.resource.plural.to_string(), target.namespace.clone().unwrap_or_default(), target.name.clone())
}

fn not_found(target: &Target) -> Status {
    Status::new(404, "NotFound", format!("{} \"{}\" not found", target.resource.plural, target.name))
}

/// `metadata.name=x` and `spec.nodeName=x`
fn selects(selector: &str, object: &Value) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        let (path, value) = term.split_once('=').unwrap();
        path.split('.').fold(object, |at, part| &at[part]) == value
    })
}

fn is_within(target: &Target, plural: &str, object: &Value) -> bool {
    let in_namespace =
        target.namespace.as_ref().is_none_or(|ns| object["metadata"]["namespace"] == ns.as_str());
    plural == target.resource.plural && in_namespace
}

impl FakeClient {
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
    pub fn all(&self, plural: &str) -> Vec<Arc<Value>> {
        let inner = self.inner.lock();
        inner.objects.iter().filter(|(key, _)| key.0 == plural).map(|(_, object)| object.clone()).collect()
    }
    /// How many tokens were asked for.
    pub fn tokens(&self) -> usize {
        self.inner.lock().tokens
    }
    /// Creates or replaces.
    pub fn put(&self, target: &Target, mut object: Value) {
        let meta = &mut object["metadata"];
        meta["name"] = target.name.clone().into();
        meta["namespace"] = target.namespace.clone().into();
        if meta["uid"].is_null() {
            meta["uid"] = uuid::Uuid::new_v4().to_string().into();
        }
        self.store(key(target), object);
    }

    fn store(&self, key: Key, mut object: Value) -> Value {
        let mut inner = self.inner.lock();
        inner.revision += 1;
        let revision = inner.revision;
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        let shared = Arc::new(object.clone());
        let event = match inner.objects.insert(key.clone(), shared.clone()) {
            None => WatchEvent::Added(shared),
            Some(_) => WatchEvent::Modified(shared),
        };
        inner.log.push(Arc::new(Change { revision, plural: key.0, event }));
        drop(inner);
        self.revision.send_replace(revision);
        object
    }

    fn remove(&self, key: &Key) {
        let mut inner = self.inner.lock();
        let Some(last) = inner.objects.remove(key) else { return };
        inner.revision += 1;
        let revision = inner.revision;
        let mut last = (*last).clone();
        last["metadata"]["resourceVersion"] = revision.to_string().into();
        let event = WatchEvent::Deleted(Arc::new(last));
        inner.log.push(Arc::new(Change { revision, plural: key.0.clone(), event }));
        drop(inner);
        self.revision.send_replace(revision);
    }
}

/// Merge patch, with `status.conditions` merged by type as a strategic one would.
fn merge(target: &mut Value, patch: &Value, strategic: bool, path: &str) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            if strategic && patch.get("$patch").is_some_and(|directive| directive == "replace") {
                target.clear();
            }
            for (field, value) in patch.iter().filter(|(field, _)| *field != "$patch") {
                if value.is_null() {
                    target.remove(field);
                } else {
                    let path = format!("{path}.{field}");
                    merge(target.entry(field).or_insert(Value::Null), value, strategic, &path);
                }
            }
        }
        (target @ Value::Array(_), Value::Array(patch)) if strategic && path.ends_with(".conditions") => {
            let known = target.as_array_mut().unwrap();
            for condition in patch {
                known.retain(|c| c["type"] != condition["type"]);
                if condition["$patch"] != "delete" {
                    known.push(condition.clone());
                }
            }
        }
        (target, Value::Array(patch)) => {
            *target = patch.iter().filter(|item| item["$patch"].is_null()).cloned().collect();
        }
        (target @ (Value::Null | Value::String(_) | Value::Number(_) | Value::Bool(_)), Value::Object(_)) => {
            *target = json!({});
            merge(target, patch, strategic, path);
        }
        (target, patch) => *target = patch.clone(),
    }
}

#[async_trait]
impl Client for FakeClient {
    async fn get(&self, target: &Target) -> Result<Arc<Value>, Status> {
        self.inner.lock().objects.get(&key(target)).cloned().ok_or_else(|| not_found(target))
    }

    async fn list(&self, target: &Target, options: &ListOptions) -> Result<List, Status> {
        let inner = self.inner.lock();
        let items = inner
            .objects
            .iter()
            .filter(|(key, object)| {
                is_within(target, &key.0, object) && selects(&options.field_selector, object)
            })
            .map(|(_, object)| object.clone())
            .collect();
        Ok(List { items, resource_version: inner.revision.to_string(), continue_token: None })
    }

    async fn watch(&self, target: &Target, options: &ListOptions) -> Result<Watch, Status> {
        let after: u64 = options.resource_version.as_deref().unwrap_or("0").parse().unwrap();
        let (inner, revisions) = (self.inner.clone(), self.revision.subscribe());
        let (target, selector) = (target.clone(), options.field_selector.clone());
        let stream = futures::stream::unfold((after, revisions), move |(mut after, mut revisions)| {
            let (inner, target, selector) = (inner.clone(), target.clone(), selector.clone());
            async move {
                loop {
                    revisions.borrow_and_update();
                    let next = inner.lock().log.iter().find(|change| change.revision > after).cloned();
                    let Some(change) = next else {
                        revisions.changed().await.ok()?;
                        continue;
                    };
                    after = change.revision;
                    let object = match &change.event {
                        WatchEvent::Added(o) | WatchEvent::Modified(o) | WatchEvent::Deleted(o) => o,
                        WatchEvent::Bookmark(_) => continue,
                    };
                    if is_within(&target, &change.plural, object) && selects(&selector, object) {
                        return Some((Ok(change.event.clone()), (after, revisions)));
                    }
                }
            }
        });
        Ok(stream.boxed())
    }

    async fn create(&self, target: &Target, mut object: Value, _: &WriteOptions) -> Result<Value, Status> {
        if target.subresource == "token" {
            self.inner.lock().tokens += 1;
            let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
            object["status"] = json!({"token": format!("token-of-{}", target.name),
                "expirationTimestamp": expires.to_string()});
            return Ok(object);
        }
        let mut target = target.clone();
        if target.name.is_empty() {
            let name = object["metadata"]["name"].as_str().map(String::from);
            let base = object["metadata"]["generateName"].as_str().unwrap_or_default();
            target.name = name.unwrap_or_else(|| format!("{base}{}", self.inner.lock().revision));
            object["metadata"]["name"] = target.name.clone().into();
        }
        if self.inner.lock().objects.contains_key(&key(&target)) {
            return Err(Status::new(409, "AlreadyExists", "already exists"));
        }
        object["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
        object["metadata"]["generation"] = 1.into();
        Ok(self.store(key(&target), object))
    }

    async fn update(&self, _: &Target, _: Value, _: &WriteOptions) -> Result<Value, Status> {
        Err(Status::not_implemented("update"))
    }

    async fn patch(&self, target: &Target, patch: Patch, _: &WriteOptions) -> Result<Value, Status> {
        let mut object = (*self.get(target).await?).clone();
        if let Some(uid) = patch.body["metadata"]["uid"].as_str()
            && object["metadata"]["uid"] != uid
        {
            return Err(Status::new(409, "Conflict", "uid"));
        }
        merge(&mut object, &patch.body, patch.patch_type == PatchType::Strategic, "");
        Ok(self.store(key(target), object))
    }

    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        let mut object = (*self.get(target).await?).clone();
        if options.preconditions.uid.as_ref().is_some_and(|uid| object["metadata"]["uid"] != uid.as_str()) {
            return Err(Status::new(409, "Conflict", "uid"));
        }
        let grace = options.grace_period_seconds.unwrap_or(30);
        if target.resource.plural == "pods" && grace > 0 {
            object["metadata"]["deletionTimestamp"] = crate::time::now().into();
            object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
            return Ok(self.store(key(target), object));
        }
        self.remove(&key(target));
        Ok(json!({"status": "Success"}))
    }

    async fn delete_collection(
        &self,
        _: &Target,
        _: &ListOptions,
        _: &DeleteOptions,
    ) -> Result<Value, Status> {
        Err(Status::not_implemented("deletecollection"))
    }
    fn kinds(&self) -> watch::Receiver<Arc<Kinds>> {
        watch::Sender::<Arc<Kinds>>::default().subscribe()
    }
    async fn dependents(&self, _: &str) -> Result<Vec<Arc<Value>>, Status> {
        Ok(vec![])
    }
}
