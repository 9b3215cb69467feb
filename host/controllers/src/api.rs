//! The API as one controller sees it: reads from caches of the kinds it watches, everything else as
//! its own service account.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use orch_client::events::Recorder;
use orch_client::{
    Client, DeleteOptions, ListOptions, Object, Patch, PatchType, Precondition, Propagation, Target,
    WriteOptions,
};
use orch_object::{FieldSelector, Kind, LabelSelector, Status};
use orch_plugin::calls::controller::{self as calls, ApiError, ControllerApi, ServedResource};
use parking_lot::RwLock;
use serde_json::Value;

use crate::attempt::Attempt;
use crate::informers::{Informers, KindName, SharedInformer, resource};
use crate::pretended::{Left, note};
use crate::writes::Writes;

/// What is known of a controller by its name; it outlives a swap of the plugin.
pub(crate) struct Account {
    pub name: String,
    /// Acts as the controller's service account.
    pub client: Arc<dyn Client>,
    pub recorder: Recorder,
    /// Kinds that it watches, and so may read from caches.
    pub watched: RwLock<HashSet<KindName>>,
    pub writes: Writes,
}

pub(crate) struct Api {
    pub account: Arc<Account>,
    pub informers: Arc<Informers>,
}

fn failed(status: Status) -> ApiError {
    ApiError { code: status.code, reason: status.reason, message: status.message }
}

/// The object, or that there is none.
fn present(found: Result<Arc<Value>, Status>) -> Result<Option<String>, ApiError> {
    match found {
        Ok(object) => Ok(Some(object.to_string())),
        Err(status) if status.is_not_found() => Ok(None),
        Err(status) => Err(failed(status)),
    }
}

/// Not that there is no such object, but that the kind has no such sub-resource.
fn is_no_such_resource(status: &Status) -> bool {
    status.is_not_found() && status.details.as_ref().is_none_or(|details| details["name"].is_null())
}

fn bad_request(message: impl std::fmt::Display) -> ApiError {
    ApiError { code: 400, reason: "BadRequest".into(), message: message.to_string() }
}

fn parse(json: &str) -> Result<Value, ApiError> {
    serde_json::from_str(json).map_err(|error| bad_request(format!("not JSON: {error}")))
}

fn target(kind: &Kind, namespace: &str, name: &str) -> Target {
    let resource = resource(kind);
    match (kind.namespaced() && !namespace.is_empty(), name.is_empty()) {
        (true, true) => Target::within(&resource, namespace),
        (true, false) => Target::named(&resource, namespace, name),
        (false, true) => Target::all(&resource),
        (false, false) => Target::cluster(&resource, name),
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

impl Api {
    fn kind(&self, api_version: &str, kind: &str) -> Result<Arc<Kind>, ApiError> {
        if let Some(kind) = self.informers.kind(api_version, kind) {
            return Ok(kind);
        }
        let elsewhere = self.informers.client().elsewhere();
        let (code, reason, message) = match elsewhere.kinds.by_kind(api_version, kind) {
            Some(kind) => return Ok(kind.clone()),
            None if elsewhere.unknown.iter().any(|unknown| unknown == api_version) => {
                (503, "ServiceUnavailable", format!("the server that serves {api_version} does not answer"))
            }
            None => (404, "NotFound", format!("the server does not serve {kind} in {api_version}")),
        };
        Err(ApiError { code, reason: reason.into(), message })
    }

    fn kind_of(&self, object: &Value) -> Result<Arc<Kind>, ApiError> {
        self.kind(
            object["apiVersion"].as_str().unwrap_or_default(),
            object["kind"].as_str().unwrap_or_default(),
        )
    }

    /// The cache of a kind that the controller watches, once its own writes are in it.
    async fn cached(&self, api_version: &str, kind: &str) -> Option<Arc<SharedInformer>> {
        let name = (api_version.to_string(), kind.to_string());
        if !self.account.watched.read().contains(&name) {
            return None;
        }
        let informer = self.informers.running(api_version, kind).filter(|informer| informer.is_synced())?;
        self.account.writes.arrived(&name, &informer).await.then_some(informer)
    }

    fn options(&self) -> WriteOptions {
        WriteOptions {
            field_manager: format!("{}-controller", self.account.name),
            dry_run: Attempt::pretending().is_some(),
            ..WriteOptions::default()
        }
    }

    /// `stored` is what the API stored, or would have stored.
    fn wrote(&self, kind: &Kind, stored: &Value) {
        match Attempt::pretending() {
            Some(attempt) => attempt.leave(kind, stored),
            None => self.account.writes.wrote(kind, stored),
        }
    }

    /// The object is gone, or would be; `known`: as the cache has it.
    fn removed(&self, kind: &Kind, namespace: &str, name: &str, known: Option<&Value>) {
        match (Attempt::pretending(), known) {
            (Some(attempt), _) => attempt.remove(kind, namespace, name),
            (None, Some(known)) => self.account.writes.removed(kind, known),
            (None, None) => {}
        }
    }

    async fn list_live(
        &self,
        kind: &Kind,
        namespace: &str,
        labels: &str,
        fields: &str,
    ) -> Result<Vec<Object>, ApiError> {
        let options = ListOptions {
            label_selector: labels.into(),
            field_selector: fields.into(),
            ..ListOptions::default()
        };
        let list =
            self.account.client.list_objects(&target(kind, namespace, ""), &options).await.map_err(failed)?;
        Ok(list.items)
    }
}

fn select(
    informer: &SharedInformer,
    namespace: &str,
    labels: &str,
    fields: &str,
) -> Result<Vec<Object>, ApiError> {
    let labels: LabelSelector = labels.parse().map_err(bad_request)?;
    let fields: FieldSelector = fields.parse().map_err(bad_request)?;
    let cache = informer.cache();
    let chosen = cache
        .selected(namespace, &labels)
        .filter(|object| fields.is_empty() || fields.matches(&object.value(), None))
        .cloned()
        .collect();
    Ok(chosen)
}

fn delete_options(json: &str) -> Result<DeleteOptions, ApiError> {
    if json.is_empty() {
        return Ok(DeleteOptions::default());
    }
    let options = parse(json)?;
    let precondition = |field: &str| options["preconditions"][field].as_str().map(String::from);
    let propagation = match options["propagationPolicy"].as_str() {
        None => None,
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => return Err(bad_request(format!("unknown propagationPolicy {other:?}"))),
    };
    Ok(DeleteOptions {
        grace_period_seconds: options["gracePeriodSeconds"].as_i64(),
        preconditions: Precondition {
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
        },
        propagation,
        dry_run: Attempt::pretending().is_some(),
    })
}

/// `apps/v1/Deployment`, `apps/v1/Deployment/status`
fn named(kind: &Kind, subresource: &str) -> String {
    let kind = format!("{}/{}", kind.api_version(), kind.kind);
    if subresource.is_empty() { kind } else { format!("{kind}/{subresource}") }
}

/// `shop/web`; a name that the API is to make up is the same for all: `shop/web-*`.
fn subject(object: &Value) -> String {
    match text(object, "name") {
        "" => place(text(object, "namespace"), &format!("{}*", text(object, "generateName"))),
        name => place(text(object, "namespace"), name),
    }
}

fn place(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.into() } else { format!("{namespace}/{name}") }
}

#[async_trait]
impl ControllerApi for Api {
    fn resources(&self) -> Vec<ServedResource> {
        let (kinds, elsewhere) = (self.informers.client().kinds(), self.informers.client().elsewhere());
        let served = |kind: &Arc<Kind>| ServedResource {
            api_version: kind.api_version(),
            kind: kind.kind.clone(),
            plural: kind.plural.clone(),
            namespaced: kind.namespaced(),
            verbs: kind.verbs.clone(),
        };
        let unknown = |api_version: String| ServedResource { api_version, ..ServedResource::default() };
        let mut resources: Vec<_> = kinds.borrow().rows().iter().map(served).collect();
        resources.extend(elsewhere.kinds.rows().iter().map(served));
        resources.extend(elsewhere.unknown.into_iter().map(unknown));
        resources
    }

    async fn get(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        live: bool,
    ) -> Result<Option<String>, ApiError> {
        if let Some((kind, subresource)) = kind.split_once('/') {
            let row = self.kind(api_version, kind)?;
            let target = target(&row, namespace, name).subresource(subresource);
            return match self.account.client.get(&target).await {
                Err(status) if is_no_such_resource(&status) => Err(failed(status)),
                found => present(found),
            };
        }
        let row = self.kind(api_version, kind)?;
        if let Some(left) = Attempt::pretending().and_then(|attempt| attempt.get(&row, namespace, name)) {
            return Ok(left.map(|object| object.to_string()));
        }
        if !live && let Some(informer) = self.cached(api_version, kind).await {
            let namespace = if row.namespaced() { namespace } else { "" };
            return Ok(informer.cache().get(namespace, name).map(Object::text));
        }
        present(self.account.client.get(&target(&row, namespace, name)).await)
    }

    async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        labels: &str,
        fields: &str,
    ) -> Result<Vec<String>, ApiError> {
        let row = self.kind(api_version, kind)?;
        let mut objects = match self.cached(api_version, kind).await {
            Some(informer) => {
                let namespace = if row.namespaced() { namespace } else { "" };
                select(&informer, namespace, labels, fields)?
            }
            None => self.list_live(&row, namespace, labels, fields).await?,
        };
        if let Some(attempt) = Attempt::pretending() {
            let labels = labels.parse().map_err(bad_request)?;
            let fields = fields.parse().map_err(bad_request)?;
            attempt.overlay(&row, namespace, &labels, &fields, &mut objects);
        }
        Ok(objects.iter().map(Object::text).collect())
    }

    async fn dependents(&self, owner_uid: &str) -> Result<Vec<String>, ApiError> {
        let mut objects = self.account.client.dependents(owner_uid).await.map_err(failed)?;
        if let Some(attempt) = Attempt::pretending() {
            attempt.overlay_dependents(owner_uid, &mut objects);
        }
        Ok(objects.iter().map(|object| object.to_string()).collect())
    }

    async fn create(&self, object: &str) -> Result<String, ApiError> {
        let object = parse(object)?;
        let kind = self.kind_of(&object)?;
        let target = target(&kind, text(&object, "namespace"), "");
        note("create", &named(&kind, ""), &subject(&object), &object).map_err(failed)?;
        if let Some(left) = Left::of(&kind, text(&object, "namespace"), text(&object, "name")) {
            left.must_be_gone().map_err(failed)?;
        }
        let stored = self.account.client.create(&target, object, &self.options()).await.map_err(failed)?;
        self.wrote(&kind, &stored);
        Ok(stored.to_string())
    }

    async fn update(&self, object: &str, subresource: &str) -> Result<String, ApiError> {
        let object = parse(object)?;
        let kind = self.kind_of(&object)?;
        let target =
            target(&kind, text(&object, "namespace"), text(&object, "name")).subresource(subresource);
        note("update", &named(&kind, subresource), &subject(&object), &object).map_err(failed)?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        if let Some(left) = Left::of_part(&kind, namespace, name, subresource) {
            return Ok(left.update(&object, subresource).map_err(failed)?.to_string());
        }
        let stored = self.account.client.update(&target, object, &self.options()).await.map_err(failed)?;
        self.wrote(&kind, &stored);
        Ok(stored.to_string())
    }

    async fn patch(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch_type: calls::PatchType,
        body: &str,
    ) -> Result<String, ApiError> {
        let kind = self.kind(api_version, kind)?;
        let patch_type = match patch_type {
            calls::PatchType::Json => PatchType::Json,
            calls::PatchType::Merge => PatchType::Merge,
            calls::PatchType::Strategic => PatchType::Strategic,
            calls::PatchType::Apply => PatchType::Apply,
        };
        let patch = Patch { patch_type, body: parse(body)? };
        note("patch", &named(&kind, subresource), &place(namespace, name), &patch.body).map_err(failed)?;
        if let Some(left) = Left::of_part(&kind, namespace, name, subresource) {
            let manager = self.options().field_manager;
            return Ok(left.patch(&patch, subresource, &manager).map_err(failed)?.to_string());
        }
        let target = target(&kind, namespace, name).subresource(subresource);
        let stored = self.account.client.patch(&target, patch, &self.options()).await.map_err(failed)?;
        self.wrote(&kind, &stored);
        Ok(stored.to_string())
    }

    async fn delete(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        options: &str,
    ) -> Result<(), ApiError> {
        let row = self.kind(api_version, kind)?;
        let options = delete_options(options)?;
        note("delete", &named(&row, ""), &place(namespace, name), &Value::Null).map_err(failed)?;
        if let Some(left) = Left::of(&row, namespace, name) {
            return left.delete().map_err(failed);
        }
        let cached = self.informers.running(api_version, kind);
        let known = cached.and_then(|informer| informer.cache().get(namespace, name).cloned());
        let answer =
            self.account.client.delete(&target(&row, namespace, name), &options).await.map_err(failed)?;
        match text(&answer, "resourceVersion") {
            "" => self.removed(&row, namespace, name, known.map(|known| known.value()).as_deref()),
            _ => self.wrote(&row, &answer),
        }
        Ok(())
    }

    async fn delete_collection(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        options: &str,
    ) -> Result<(), ApiError> {
        let kind = self.kind(api_version, kind)?;
        let (list, options) = (ListOptions::default(), delete_options(options)?);
        note("delete all", &named(&kind, ""), namespace, &Value::Null).map_err(failed)?;
        if let Some(attempt) = Attempt::pretending() {
            for object in self.list_live(&kind, namespace, "", "").await? {
                let object = object.value();
                attempt.remove(&kind, text(&object, "namespace"), text(&object, "name"));
            }
        }
        let target = target(&kind, namespace, "");
        self.account.client.delete_collection(&target, &list, &options).await.map_err(failed)?;
        Ok(())
    }

    async fn event(&self, regarding: &str, event_type: &str, reason: &str, message: &str) {
        match parse(regarding) {
            Ok(object) => {
                let body = serde_json::json!({ "type": event_type, "message": message });
                let _ = note("event", reason, &subject(&object), &body); // an event has no answer
                if Attempt::pretending().is_none() {
                    self.account.recorder.event(&object, event_type, reason, message);
                }
            }
            Err(error) => tracing::warn!(controller = self.account.name, error = error.message, "no event"),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
    }
}
