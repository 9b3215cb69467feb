//! A fake host, so that plugins are tested natively: objects in memory behind the same [`Api`] for
//! controllers, and [`scheduler`] for scheduling policies.
//!
//! [`Cluster`] keeps what controllers lean on: uids, resource versions and their conflicts, `generateName`,
//! generations, the split between an object and its status, finalizers and owner references. It
//! checks no schema and no permission.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::controller::{
    Api, ApiError, DeleteOptions, Kind, Labels, ObjectRef, PatchType, Propagation, Resource, Selection,
};
use crate::object::{Object, identity};
use crate::time::rfc3339;

mod patch;
mod sandbox;
pub mod scheduler;
mod select;

pub use sandbox::FakeSandbox;

use patch::{json_patch, merge_patch};
use select::{matches_fields, matches_labels};

type Key = (String, String, String, String);

/// An Event as a controller recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `namespace/name`
    pub regarding: String,
    pub event_type: String,
    pub reason: String,
    pub message: String,
}

#[derive(Debug)]
pub struct Cluster {
    objects: RefCell<BTreeMap<Key, Value>>,
    revision: Cell<u64>,
    now_ms: Cell<u64>,
    failures: RefCell<Vec<(String, ApiError)>>,
    unknown: RefCell<Vec<String>>,
    events: RefCell<Vec<Recorded>>,
    writes: RefCell<Vec<String>>,
    metrics: RefCell<BTreeMap<String, f64>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            objects: RefCell::default(),
            revision: Cell::new(0),
            now_ms: Cell::new(1_795_262_400_000),
            failures: RefCell::default(),
            unknown: RefCell::default(),
            events: RefCell::default(),
            writes: RefCell::default(),
            metrics: RefCell::default(),
        }
    }
}

impl Cluster {
    pub fn new() -> Self {
        Cluster::default()
    }

    /// With these objects in it already.
    pub fn with(objects: impl IntoIterator<Item = Value>) -> Self {
        let cluster = Cluster::new();
        for object in objects {
            cluster.put(object);
        }
        cluster.writes.borrow_mut().clear();
        cluster
    }

    /// Stores an object as it is, status included, filling in what is missing of its metadata.
    pub fn put(&self, mut object: Value) -> Value {
        self.complete(&mut object);
        self.store(object)
    }

    /// The object as it is now; panics when there is none.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Value {
        self.read(kind.object(namespace, name))
            .unwrap_or_else(|| panic!("no {} {namespace}/{name}", kind.kind))
    }

    pub fn objects(&self, kind: Kind, namespace: &str) -> Vec<Value> {
        self.list(kind, Selection::within(namespace)).expect("the fake lists")
    }

    pub fn advance_ms(&self, millis: u64) {
        self.now_ms.set(self.now_ms.get() + millis);
    }

    /// Makes the next call of this verb (`create`, `update`, `patch`, `delete`, `list`, …) fail.
    pub fn fail_next(&self, verb: &str, error: ApiError) {
        self.failures.borrow_mut().push((verb.into(), error));
    }

    /// The `apiVersion`s of extension servers that do not answer from now on.
    pub fn set_unknown(&self, api_versions: &[&str]) {
        *self.unknown.borrow_mut() = api_versions.iter().map(|version| version.to_string()).collect();
    }

    pub fn events(&self) -> Vec<Recorded> {
        self.events.borrow().clone()
    }

    /// Samples of the controller's own metrics: `made_total{kind="site"}`, labels by name. Of histograms
    /// their `…_count` and `…_sum`.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.metrics.borrow().clone()
    }

    /// What was written since the start or the last call: `create Pod default/web-x`.
    pub fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.writes.borrow_mut())
    }

    fn scripted(&self, verb: &str) -> Result<(), ApiError> {
        let mut failures = self.failures.borrow_mut();
        match failures.iter().position(|(scripted, _)| scripted == verb) {
            Some(index) => Err(failures.remove(index).1),
            None => Ok(()),
        }
    }

    fn note(&self, verb: &str, object: &Value) {
        self.writes.borrow_mut().push(format!("{verb} {} {}", object.kind(), object.key()));
    }

    fn sample(&self, name: &str, labels: Labels, change: impl FnOnce(&mut f64)) {
        change(self.metrics.borrow_mut().entry(sample(name, labels)).or_default());
    }

    fn next_revision(&self) -> u64 {
        self.revision.set(self.revision.get() + 1);
        self.revision.get()
    }

    fn complete(&self, object: &mut Value) {
        let number = self.next_revision();
        if object.name().is_empty() {
            let prefix = object.at(&["metadata", "generateName"]).as_str().unwrap_or_default().to_string();
            object.set(&["metadata", "name"], format!("{prefix}{number:05}"));
        }
        if object.uid().is_empty() {
            object.set(&["metadata", "uid"], format!("uid-{number}"));
        }
        if object.creation_timestamp().is_empty() {
            object.set(&["metadata", "creationTimestamp"], rfc3339(self.now_ms.get()));
        }
        if object.generation() == 0 {
            object.set(&["metadata", "generation"], 1);
        }
    }

    fn store(&self, mut object: Value) -> Value {
        object.set(&["metadata", "resourceVersion"], self.next_revision().to_string());
        self.objects.borrow_mut().insert(key(&object), object.clone());
        object
    }

    fn read(&self, at: ObjectRef) -> Option<Value> {
        let key = (at.kind.api_version.into(), at.kind.kind.into(), at.namespace.into(), at.name.into());
        self.objects.borrow().get(&key).cloned()
    }

    fn current(&self, object: &Value) -> Result<Value, ApiError> {
        let kind = Kind::new(object.api_version(), object.kind());
        self.read(kind.object(object.namespace(), object.name())).ok_or_else(|| not_found(object))
    }

    /// Writes the changed object; it goes when it is being deleted and nothing holds it.
    fn replace(&self, before: &Value, after: Value) -> Value {
        if after.is_being_deleted() && after.finalizers().next().is_none() {
            self.objects.borrow_mut().remove(&key(before));
            return after;
        }
        if after == *before { after } else { self.store(after) }
    }

    fn remove(&self, object: Value) {
        let uid = object.uid().to_string();
        self.objects.borrow_mut().remove(&key(&object));
        // Background propagation, at once: the fake has no garbage collector.
        let orphans = self.dependents(&uid).unwrap_or_default();
        for dependent in orphans.iter().filter(|dependent| dependent.owners().count() == 1) {
            if let Ok(dependent) = self.current(dependent) {
                self.objects.borrow_mut().remove(&key(&dependent));
            }
        }
    }
}

/// `made_total{kind="site"}`
fn sample(name: &str, labels: Labels) -> String {
    let mut labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    labels.sort();
    if labels.is_empty() { name.into() } else { format!("{name}{{{}}}", labels.join(",")) }
}

/// Counters are told with this suffix, whether or not they are named with it.
fn total(counter: &str) -> String {
    format!("{}_total", counter.strip_suffix("_total").unwrap_or(counter))
}

fn key(object: &Value) -> Key {
    (object.api_version().into(), object.kind().into(), object.namespace().into(), object.name().into())
}

fn not_found(object: &Value) -> ApiError {
    ApiError::new(404, "NotFound", format!("{} \"{}\" not found", object.kind(), object.name()))
}

fn conflict(object: &Value) -> ApiError {
    let (kind, name) = (object.kind(), object.name());
    let message = format!(
        "Operation cannot be fulfilled on {kind} \"{name}\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
    ApiError::new(409, "Conflict", message)
}

/// The new object for a write to `subresource`: the status is written only through `status`.
fn merge_write(before: &Value, write: &Value, subresource: &str) -> Value {
    let mut after = if subresource == "status" { before.clone() } else { write.clone() };
    after
        .set(&["status"], if subresource == "status" { &write["status"] } else { &before["status"] }.clone());
    if after["status"].is_null() {
        after.as_object_mut().map(|fields| fields.remove("status"));
    }
    for kept in ["uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp"] {
        if !before["metadata"][kept].is_null() {
            after.set(&["metadata", kept], before["metadata"][kept].clone());
        }
    }
    if after["spec"] != before["spec"] {
        after.set(&["metadata", "generation"], before.generation() + 1);
    }
    after
}

impl Api for Cluster {
    fn resources(&self) -> Vec<Resource> {
        let kinds: std::collections::BTreeSet<_> = self
            .objects
            .borrow()
            .keys()
            .map(|(api_version, kind, namespace, _)| {
                (api_version.clone(), kind.clone(), !namespace.is_empty())
            })
            .collect();
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let known = kinds.into_iter().map(|(api_version, kind, namespaced)| Resource {
            plural: format!("{}s", kind.to_lowercase()),
            api_version,
            kind,
            namespaced,
            verbs: verbs.map(String::from).to_vec(),
        });
        let unknown = self.unknown.borrow().clone().into_iter();
        known.chain(unknown.map(|api_version| Resource { api_version, ..Resource::default() })).collect()
    }

    fn get(&self, object: ObjectRef) -> Result<Option<Value>, ApiError> {
        self.scripted("get")?;
        Ok(self.read(object))
    }

    fn get_live(&self, object: ObjectRef) -> Result<Option<Value>, ApiError> {
        self.get(object)
    }

    /// `scale` of what has a number of replicas; other sub-resources there are none.
    fn get_subresource(&self, at: ObjectRef, subresource: &str) -> Result<Option<Value>, ApiError> {
        let Some(object) = self.get(at)? else { return Ok(None) };
        match object.at(&["spec", "replicas"]) {
            replicas @ Value::Number(_) if subresource == "scale" => Ok(Some(json!({
                "apiVersion": "autoscaling/v1", "kind": "Scale", "spec": { "replicas": replicas },
                "metadata": { "namespace": at.namespace, "name": at.name, "uid": object.uid() },
            }))),
            _ => Err(ApiError::new(404, "NotFound", "the server could not find the requested resource")),
        }
    }

    fn list(&self, kind: Kind, selection: Selection) -> Result<Vec<Value>, ApiError> {
        self.scripted("list")?;
        let objects = self.objects.borrow();
        let found = objects.values().filter(|object| {
            object.api_version() == kind.api_version
                && object.kind() == kind.kind
                && (selection.namespace.is_empty() || object.namespace() == selection.namespace)
                && matches_labels(object, selection.labels)
                && matches_fields(object, selection.fields)
        });
        Ok(found.cloned().collect())
    }

    fn dependents(&self, owner_uid: &str) -> Result<Vec<Value>, ApiError> {
        self.scripted("dependents")?;
        let objects = self.objects.borrow();
        let owned = objects.values().filter(|object| object.owners().any(|owner| owner.uid == owner_uid));
        Ok(owned
            .map(|object| json!({"apiVersion": object.api_version(), "kind": object.kind(), "metadata": object["metadata"]}))
            .collect())
    }

    fn create(&self, object: &Value) -> Result<Value, ApiError> {
        self.scripted("create")?;
        let mut object = object.clone();
        self.complete(&mut object);
        if self.objects.borrow().contains_key(&key(&object)) {
            let message = format!("{} \"{}\" already exists", object.kind(), object.name());
            return Err(ApiError::new(409, "AlreadyExists", message));
        }
        self.note("create", &object);
        Ok(self.store(object))
    }

    fn update_subresource(&self, object: &Value, subresource: &str) -> Result<Value, ApiError> {
        self.scripted("update")?;
        let before = self.current(object)?;
        let expected = object.resource_version();
        if !expected.is_empty() && expected != before.resource_version() {
            return Err(conflict(object));
        }
        self.note(if subresource.is_empty() { "update" } else { subresource }, object);
        let after = merge_write(&before, object, subresource);
        Ok(self.replace(&before, after))
    }

    fn patch_subresource(
        &self,
        at: ObjectRef,
        subresource: &str,
        patch_type: PatchType,
        body: &Value,
    ) -> Result<Value, ApiError> {
        self.scripted("patch")?;
        let named = json!({"apiVersion": at.kind.api_version, "kind": at.kind.kind,
            "metadata": {"namespace": at.namespace, "name": at.name}});
        let before = match self.read(at) {
            Some(before) => before,
            None if patch_type == PatchType::Apply => return self.create(body),
            None => return Err(not_found(&named)),
        };
        let mut patched = before.clone();
        match patch_type {
            PatchType::Json => json_patch(&mut patched, body)?,
            PatchType::Merge | PatchType::Strategic | PatchType::Apply => merge_patch(&mut patched, body),
        }
        self.note("patch", &before);
        let after = merge_write(&before, &patched, subresource);
        Ok(self.replace(&before, after))
    }

    fn delete(&self, at: ObjectRef, options: &DeleteOptions) -> Result<(), ApiError> {
        self.scripted("delete")?;
        let named = json!({"kind": at.kind.kind, "metadata": {"namespace": at.namespace, "name": at.name}});
        let object = self.read(at).ok_or_else(|| not_found(&named))?;
        let wrong_uid = options.uid.is_some_and(|uid| uid != object.uid());
        if wrong_uid || options.resource_version.is_some_and(|version| version != object.resource_version()) {
            return Err(conflict(&object));
        }
        self.note("delete", &object);
        let mut object = object;
        match options.propagation {
            Some(Propagation::Foreground) => add_finalizer(&mut object, "foregroundDeletion"),
            Some(Propagation::Orphan) => add_finalizer(&mut object, "orphan"),
            Some(Propagation::Background) | None => {}
        }
        if object.finalizers().next().is_some() {
            object.set(&["metadata", "deletionTimestamp"], rfc3339(self.now_ms.get()));
            self.store(object);
        } else {
            self.remove(object);
        }
        Ok(())
    }

    fn delete_collection(
        &self,
        kind: Kind,
        namespace: &str,
        options: &DeleteOptions,
    ) -> Result<(), ApiError> {
        for object in self.objects(kind, namespace) {
            self.delete(kind.object(namespace, object.name()), options)?;
        }
        Ok(())
    }

    fn event(&self, regarding: &Value, event_type: &str, reason: &str, message: &str) {
        self.events.borrow_mut().push(Recorded {
            regarding: identity(regarding).key(),
            event_type: event_type.into(),
            reason: reason.into(),
            message: message.into(),
        });
    }

    fn count(&self, metric: &str, labels: Labels, by: f64) {
        self.sample(&total(metric), labels, |sample| *sample += by);
    }

    fn gauge(&self, metric: &str, labels: Labels, value: f64) {
        self.sample(metric, labels, |sample| *sample = value);
    }

    fn observe(&self, metric: &str, labels: Labels, value: f64) {
        self.sample(&format!("{metric}_count"), labels, |sample| *sample += 1.0);
        self.sample(&format!("{metric}_sum"), labels, |sample| *sample += value);
    }

    fn forget(&self, metric: &str, labels: Labels) {
        for name in [metric.into(), total(metric), format!("{metric}_count"), format!("{metric}_sum")] {
            self.metrics.borrow_mut().remove(&sample(&name, labels));
        }
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    if object.finalizers().all(|known| known != finalizer) {
        let mut finalizers = object.items(&["metadata", "finalizers"]).to_vec();
        finalizers.push(finalizer.into());
        object.set(&["metadata", "finalizers"], finalizers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": name}}})
    }

    #[test]
    fn writes_conflict_on_stale_versions() {
        let cluster = Cluster::with([pod("a")]);
        let mut stale = cluster.object(Kind::POD, "default", "a");
        let fresh = cluster
            .patch(Kind::POD.object("default", "a"), PatchType::Merge, &json!({"spec": {"x": 1}}))
            .unwrap();
        assert_eq!(fresh.generation(), 2);
        stale.set(&["spec", "x"], 2);
        assert!(cluster.update(&stale).unwrap_err().is_conflict());
        assert!(cluster.create(&pod("a")).unwrap_err().is_already_exists());
    }

    #[test]
    fn metrics_are_kept_by_their_labels() {
        let cluster = Cluster::new();
        cluster.count("made_total", &[("kind", "site"), ("by", "me")], 1.0);
        cluster.count("made", &[("by", "me"), ("kind", "site")], 2.0);
        cluster.gauge("ready", &[], 2.0);
        cluster.observe("took_seconds", &[], 0.5);
        let expected = [
            (r#"made_total{by="me",kind="site"}"#, 3.0),
            ("ready", 2.0),
            ("took_seconds_count", 1.0),
            ("took_seconds_sum", 0.5),
        ];
        assert_eq!(cluster.metrics(), expected.map(|(name, value)| (name.to_string(), value)).into());
        cluster.forget("made", &[("kind", "site"), ("by", "me")]);
        cluster.forget("took_seconds", &[]);
        assert_eq!(cluster.metrics().into_keys().collect::<Vec<_>>(), ["ready"]);
    }

    #[test]
    fn status_is_written_apart() {
        let cluster = Cluster::with([pod("a")]);
        let mut object = cluster.object(Kind::POD, "default", "a");
        object.set(&["status", "phase"], "Running");
        object.set(&["spec", "x"], 1);
        let stored = cluster.update_status(&object).unwrap();
        assert_eq!((&stored["status"]["phase"], &stored["spec"]), (&json!("Running"), &Value::Null));
    }

    #[test]
    fn lists_select_by_labels_and_fields() {
        let cluster = Cluster::with([pod("a"), pod("b")]);
        let names = |selection| {
            let found = cluster.list(Kind::POD, selection).unwrap();
            found.iter().map(|object| object.name().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(Selection::default().labels("app in (a,c)")), ["a"]);
        assert_eq!(names(Selection::default().labels("app!=a")), ["b"]);
        assert_eq!(names(Selection::within("default").fields("metadata.name=b")), ["b"]);
        assert_eq!(names(Selection::within("other")), Vec::<String>::new());
    }

    #[test]
    fn finalizers_hold_objects() {
        let mut held = pod("a");
        held.set(&["metadata", "finalizers"], json!(["x"]));
        let cluster = Cluster::with([held]);
        let at = Kind::POD.object("default", "a");
        cluster.delete(at, &DeleteOptions::default()).unwrap();
        assert!(cluster.object(Kind::POD, "default", "a").is_being_deleted());
        cluster.patch(at, PatchType::Merge, &json!({"metadata": {"finalizers": null}})).unwrap();
        assert_eq!(cluster.get(at).unwrap(), None);
    }
}
