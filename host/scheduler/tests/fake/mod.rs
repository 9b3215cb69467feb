//! A scripted API: objects in memory, watches that lose nothing, and failures on demand.

#![allow(dead_code)] // each test binary uses its own part

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Elsewhere, List, ListOptions, Patch, Target, Watch, WatchEvent, WriteOptions,
};
use orch_object::{Kind, Kinds, Scope, Status, Strategy};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

type Sender = mpsc::UnboundedSender<Result<WatchEvent, Status>>;

#[derive(Default)]
struct State {
    revision: u64,
    /// By plural, then `namespace/name`.
    objects: BTreeMap<String, BTreeMap<String, Arc<Value>>>,
    history: Vec<(u64, String, WatchEvent)>,
    watchers: Vec<(String, Sender)>,
    /// Answers for the next bindings, before they are carried out.
    binding_failures: VecDeque<Status>,
    bindings: Vec<(String, String)>,
    kinds: watch::Sender<Arc<Kinds>>,
    elsewhere: Elsewhere,
    /// Plurals that were served.
    gone: BTreeSet<String>,
}

/// The fake; clones share it.
#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

pub fn kind(group: &str, version: &str, kind: &str, plural: &str, scope: Scope) -> Kind {
    Kind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        scope,
        short_names: Vec::new(),
        categories: Vec::new(),
        verbs: ["create", "delete", "get", "list", "patch", "update", "watch"].map(String::from).to_vec(),
        subresources: Vec::new(),
        columns: Vec::new(),
        selectable_fields: Vec::new(),
        schema: String::new(),
        has_generation: true,
        conversion: None,
        custom: None,
        strategy: Strategy { validate: |_, _| Vec::new(), ..Strategy::default() },
    }
}

fn key(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{name}"),
        _ => name.into(),
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (field, value) in from {
                if value.is_null() {
                    into.remove(field);
                } else {
                    merge(into.entry(field.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl State {
    fn put(&mut self, plural: &str, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let key = key(object["metadata"]["namespace"].as_str(), object["metadata"]["name"].as_str().unwrap());
        if !object["metadata"]["uid"].is_string() {
            object["metadata"]["uid"] = match self.get(plural, &key) {
                Ok(before) => before["metadata"]["uid"].clone(),
                Err(_) => format!("uid-{}", self.revision).into(),
            };
        }
        let object = Arc::new(object);
        let before = self.objects.entry(plural.into()).or_default().insert(key, object.clone());
        let event = match before {
            Some(_) => WatchEvent::Modified(object.clone()),
            None => WatchEvent::Added(object.clone()),
        };
        self.tell(plural, event);
        object
    }

    fn remove(&mut self, plural: &str, key: &str) -> Option<Arc<Value>> {
        let object = self.objects.get_mut(plural)?.remove(key)?;
        self.revision += 1;
        let mut last = (*object).clone();
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let last = Arc::new(last);
        self.tell(plural, WatchEvent::Deleted(last.clone()));
        Some(last)
    }

    fn tell(&mut self, plural: &str, event: WatchEvent) {
        self.history.push((self.revision, plural.into(), event.clone()));
        self.watchers.retain(|(watched, sender)| watched != plural || sender.send(Ok(event.clone())).is_ok());
    }

    /// Whatever was not taken away, named among the kinds or not.
    fn serves(&self, plural: &str) -> Result<(), Status> {
        match self.gone.contains(plural) {
            false => Ok(()),
            true => Err(Status::new(404, "NotFound", "the server could not find the requested resource")),
        }
    }

    fn get(&self, plural: &str, key: &str) -> Result<Arc<Value>, Status> {
        let found = self.objects.get(plural).and_then(|objects| objects.get(key)).cloned();
        found.ok_or_else(|| Status {
            details: Some(json!({ "kind": plural, "name": key })),
            ..Status::new(404, "NotFound", format!("{plural} {key:?} not found"))
        })
    }
}

impl Fake {
    pub fn with_kinds(kinds: Vec<Kind>) -> Self {
        let fake = Fake::default();
        fake.serve(kinds);
        fake
    }
    /// These kinds from now on; the watches of those that were served before end.
    pub fn serve(&self, kinds: Vec<Kind>) {
        let mut state = self.0.lock();
        let before = state.kinds.send_replace(Arc::new(Kinds::new(kinds.clone())));
        let gone = before.rows().iter().filter(|old| !kinds.iter().any(|kind| kind.plural == old.plural));
        state.gone = gone.map(|kind| kind.plural.clone()).collect();
        let State { watchers, gone, .. } = &mut *state;
        watchers.retain(|(plural, _)| !gone.contains(plural));
    }
    /// What other servers serve from now on.
    pub fn serve_elsewhere(&self, elsewhere: Elsewhere) {
        self.0.lock().elsewhere = elsewhere;
    }
    pub fn put(&self, plural: &str, object: Value) -> Arc<Value> {
        self.0.lock().put(plural, object)
    }
    pub fn remove(&self, plural: &str, key: &str) {
        self.0.lock().remove(plural, key);
    }
    pub fn object(&self, plural: &str, key: &str) -> Option<Arc<Value>> {
        self.0.lock().get(plural, key).ok()
    }
    pub fn all(&self, plural: &str) -> Vec<Arc<Value>> {
        self.0
            .lock()
            .objects
            .get(plural)
            .map(|objects| objects.values().cloned().collect())
            .unwrap_or_default()
    }
    pub fn fail_bindings(&self, failures: impl IntoIterator<Item = Status>) {
        self.0.lock().binding_failures.extend(failures);
    }
    /// (pod, node) of every binding carried out, in order.
    pub fn bindings(&self) -> Vec<(String, String)> {
        self.0.lock().bindings.clone()
    }

    pub fn node(&self, name: &str) {
        self.put("nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } }));
    }
    pub fn pod(&self, name: &str) {
        self.put(
            "pods",
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": name, "namespace": "default" },
                "spec": { "schedulerName": "default-scheduler" },
            }),
        );
    }

    fn bind(&self, key: &str, binding: &Value) -> Result<Value, Status> {
        let mut state = self.0.lock();
        if let Some(failure) = state.binding_failures.pop_front() {
            return Err(failure);
        }
        let mut pod = (*state.get("pods", key)?).clone();
        if pod["spec"]["nodeName"].is_string() {
            return Err(Status::new(409, "Conflict", format!("pod {key} is already assigned")));
        }
        let node = binding["target"]["name"].as_str().unwrap().to_string();
        pod["spec"]["nodeName"] = node.clone().into();
        state.bindings.push((key.into(), node));
        state.put("pods", pod);
        Ok(json!({ "kind": "Status", "status": "Success" }))
    }
}

#[async_trait]
impl Client for Fake {
    async fn get(&self, target: &Target) -> Result<Arc<Value>, Status> {
        let object =
            self.0.lock().get(&target.resource.plural, &key(target.namespace.as_deref(), &target.name))?;
        match (target.subresource.as_str(), &object["spec"]["replicas"]) {
            ("", _) => Ok(object),
            ("scale", Value::Number(replicas)) => {
                Ok(Arc::new(json!({ "kind": "Scale", "spec": { "replicas": replicas } })))
            }
            _ => Err(Status::new(404, "NotFound", "the server could not find the requested resource")),
        }
    }

    async fn list(&self, target: &Target, _: &ListOptions) -> Result<List, Status> {
        let state = self.0.lock();
        state.serves(&target.resource.plural)?;
        let all = state.objects.get(&*target.resource.plural);
        let within = |object: &&Arc<Value>| {
            target.namespace.is_none()
                || object["metadata"]["namespace"].as_str() == target.namespace.as_deref()
        };
        let items = all.map(|all| all.values().filter(within).cloned().collect()).unwrap_or_default();
        Ok(List { items, resource_version: state.revision.to_string(), continue_token: None })
    }

    async fn watch(&self, target: &Target, options: &ListOptions) -> Result<Watch, Status> {
        let mut state = self.0.lock();
        state.serves(&target.resource.plural)?;
        let since: u64 = options.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        let (sender, receiver) = mpsc::unbounded_channel();
        for (revision, plural, event) in &state.history {
            if *revision > since && *plural == target.resource.plural {
                let _ = sender.send(Ok(event.clone()));
            }
        }
        state.watchers.push((target.resource.plural.to_string(), sender));
        let stream = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event| (event, receiver))
        });
        Ok(stream.boxed())
    }

    async fn create(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        if target.subresource == "binding" {
            tokio::task::yield_now().await;
            return self.bind(&key(target.namespace.as_deref(), &target.name), &object);
        }
        let mut state = self.0.lock();
        if !object["metadata"]["name"].is_string() {
            let prefix = object["metadata"]["generateName"].as_str().unwrap_or("x-").to_string();
            // Also for a dry run: no name is made up twice.
            state.revision += 1;
            object["metadata"]["name"] = format!("{prefix}{}", state.revision).into();
        }
        if let Some(namespace) = &target.namespace {
            object["metadata"]["namespace"] = namespace.clone().into();
        }
        let name = object["metadata"]["name"].as_str().unwrap().to_string();
        if state.get(&target.resource.plural, &key(target.namespace.as_deref(), &name)).is_ok() {
            return Err(Status::new(409, "AlreadyExists", format!("{name} already exists")));
        }
        if options.dry_run {
            return Ok(object);
        }
        Ok((*state.put(&target.resource.plural, object)).clone())
    }

    async fn update(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        let mut state = self.0.lock();
        let current = state.get(&target.resource.plural, &key(target.namespace.as_deref(), &target.name))?;
        let version = &object["metadata"]["resourceVersion"];
        if version.is_string() && *version != current["metadata"]["resourceVersion"] {
            return Err(Status::new(409, "Conflict", "the object has been modified"));
        }
        if options.dry_run {
            return Ok(object);
        }
        Ok((*state.put(&target.resource.plural, object)).clone())
    }

    async fn patch(&self, target: &Target, patch: Patch, options: &WriteOptions) -> Result<Value, Status> {
        let mut state = self.0.lock();
        let current = state.get(&target.resource.plural, &key(target.namespace.as_deref(), &target.name))?;
        let mut object = (*current).clone();
        merge(&mut object, &patch.body);
        if options.dry_run {
            return Ok(object);
        }
        Ok((*state.put(&target.resource.plural, object)).clone())
    }

    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        let mut state = self.0.lock();
        let key = key(target.namespace.as_deref(), &target.name);
        state.get(&target.resource.plural, &key)?;
        if !options.dry_run {
            state.remove(&target.resource.plural, &key);
        }
        Ok(json!({ "kind": "Status", "status": "Success" }))
    }

    async fn delete_collection(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Value, Status> {
        if options.dry_run {
            return Ok(json!({ "kind": "Status", "status": "Success" }));
        }
        for object in self.list(target, list).await?.items {
            let meta = &object["metadata"];
            let key = key(meta["namespace"].as_str(), meta["name"].as_str().unwrap());
            self.0.lock().remove(&target.resource.plural, &key);
        }
        Ok(json!({ "kind": "Status", "status": "Success" }))
    }

    fn kinds(&self) -> watch::Receiver<Arc<Kinds>> {
        self.0.lock().kinds.subscribe()
    }

    fn elsewhere(&self) -> Elsewhere {
        self.0.lock().elsewhere.clone()
    }

    async fn dependents(&self, owner_uid: &str) -> Result<Vec<Arc<Value>>, Status> {
        let state = self.0.lock();
        let owned = |object: &&Arc<Value>| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|owner| owner["uid"] == owner_uid)
        };
        Ok(state.objects.values().flat_map(|objects| objects.values()).filter(owned).cloned().collect())
    }
}

/// Waits until `condition` holds; panics with `what` after ten seconds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(std::time::Duration::from_secs(10), wait).await.is_err() {
        panic!("timed out waiting until {what}");
    }
}
