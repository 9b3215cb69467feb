//! The API of a scripted cluster: the SDK's fake, behind what a component calls.

use async_trait::async_trait;
use orch_plugin::calls::controller::{ApiError, ControllerApi, PatchType, ServedResource};
use orch_sdk::controller::{
    Api, ApiError as Fake, DeleteOptions, Kind, PatchType as Patch, Propagation, Selection,
};
use orch_sdk::fake::{Cluster, Recorded};
use parking_lot::Mutex;
use serde_json::Value;

#[derive(Default)]
pub struct Scripted(Mutex<Cluster>);

impl Scripted {
    pub fn put(&self, object: Value) {
        self.0.lock().put(object);
    }

    pub fn find(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.0.lock().get(Kind::new(api_version, kind).object(namespace, name)).unwrap_or_default()
    }

    /// `ConfigMap default/site`, whatever its group.
    pub fn named(&self, name: &str) -> Option<Value> {
        let cluster = self.0.lock();
        let (kind, key) = name.split_once(' ')?;
        let (namespace, name) = key.split_once('/').unwrap_or(("", key));
        let kinds = cluster.resources().into_iter().filter(|served| served.kind == kind);
        kinds
            .map(|served| cluster.get(served.as_kind().object(namespace, name)).ok()?)
            .find_map(|found| found)
    }

    pub fn delete_named(&self, object: &Value) -> Result<(), Fake> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let at = Kind::new(&api_version, &kind).object(&namespace, &name);
        self.0.lock().delete(at, &DeleteOptions::default())
    }

    pub fn take_writes(&self) -> Vec<String> {
        self.0.lock().take_writes()
    }

    pub fn events(&self) -> Vec<Recorded> {
        self.0.lock().events()
    }
}

fn failed(error: Fake) -> ApiError {
    ApiError { code: error.code, reason: error.reason, message: error.message }
}

fn parsed(json: &str) -> Result<Value, ApiError> {
    serde_json::from_str(json).map_err(|error| ApiError {
        code: 400,
        reason: "BadRequest".into(),
        message: format!("the object is no JSON: {error}"),
    })
}

#[async_trait]
impl ControllerApi for Scripted {
    fn resources(&self) -> Vec<ServedResource> {
        let served = self.0.lock().resources().into_iter();
        served
            .map(|one| ServedResource {
                api_version: one.api_version,
                kind: one.kind,
                plural: one.plural,
                namespaced: one.namespaced,
                verbs: one.verbs,
            })
            .collect()
    }

    async fn get(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        _live: bool,
    ) -> Result<Option<String>, ApiError> {
        let found = self.0.lock().get(Kind::new(api_version, kind).object(namespace, name));
        Ok(found.map_err(failed)?.map(|object| object.to_string()))
    }

    async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        labels: &str,
        fields: &str,
    ) -> Result<Vec<String>, ApiError> {
        let selection = Selection::within(namespace).labels(labels).fields(fields);
        let found = self.0.lock().list(Kind::new(api_version, kind), selection).map_err(failed)?;
        Ok(found.iter().map(Value::to_string).collect())
    }

    async fn dependents(&self, owner_uid: &str) -> Result<Vec<String>, ApiError> {
        let found = self.0.lock().dependents(owner_uid).map_err(failed)?;
        Ok(found.iter().map(Value::to_string).collect())
    }

    async fn create(&self, object: &str) -> Result<String, ApiError> {
        let object = parsed(object)?;
        self.0.lock().create(&object).map(|object| object.to_string()).map_err(failed)
    }

    async fn update(&self, object: &str, subresource: &str) -> Result<String, ApiError> {
        let object = parsed(object)?;
        let updated = self.0.lock().update_subresource(&object, subresource);
        updated.map(|object| object.to_string()).map_err(failed)
    }

    async fn patch(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch_type: PatchType,
        body: &str,
    ) -> Result<String, ApiError> {
        let body = parsed(body)?;
        let at = Kind::new(api_version, kind).object(namespace, name);
        let patch_type = match patch_type {
            PatchType::Json => Patch::Json,
            PatchType::Merge => Patch::Merge,
            PatchType::Strategic => Patch::Strategic,
            PatchType::Apply => Patch::Apply,
        };
        let patched = self.0.lock().patch_subresource(at, subresource, patch_type, &body);
        patched.map(|object| object.to_string()).map_err(failed)
    }

    async fn delete(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        options: &str,
    ) -> Result<(), ApiError> {
        let options = if options.is_empty() { Value::Null } else { parsed(options)? };
        let at = Kind::new(api_version, kind).object(namespace, name);
        self.0.lock().delete(at, &read(&options)).map_err(failed)
    }

    async fn delete_collection(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        options: &str,
    ) -> Result<(), ApiError> {
        let options = if options.is_empty() { Value::Null } else { parsed(options)? };
        let kind = Kind::new(api_version, kind);
        self.0.lock().delete_collection(kind, namespace, &read(&options)).map_err(failed)
    }

    async fn event(&self, regarding: &str, event_type: &str, reason: &str, message: &str) {
        let regarding = serde_json::from_str(regarding).unwrap_or_default();
        self.0.lock().event(&regarding, event_type, reason, message);
    }

    fn now_ms(&self) -> u64 {
        self.0.lock().now_ms()
    }
}

fn read(options: &Value) -> DeleteOptions<'_> {
    DeleteOptions {
        uid: options["preconditions"]["uid"].as_str(),
        resource_version: options["preconditions"]["resourceVersion"].as_str(),
        propagation: match options["propagationPolicy"].as_str() {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some(_) | None => None,
        },
        grace_period_seconds: options["gracePeriodSeconds"].as_i64(),
    }
}
