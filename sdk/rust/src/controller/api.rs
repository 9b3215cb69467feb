use std::fmt;

use serde_json::Value;

/// A kind by `apiVersion` and `kind`. Declare the ones you use as constants:
/// `const POD: Kind = Kind::new("v1", "Pod");`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
}

impl<'a> Kind<'a> {
    pub const fn new(api_version: &'a str, kind: &'a str) -> Self {
        Kind { api_version, kind }
    }

    pub const DEPLOYMENT: Kind<'static> = Kind::new("apps/v1", "Deployment");
    pub const ENDPOINT_SLICE: Kind<'static> = Kind::new("discovery.k8s.io/v1", "EndpointSlice");
    pub const NAMESPACE: Kind<'static> = Kind::new("v1", "Namespace");
    pub const NODE: Kind<'static> = Kind::new("v1", "Node");
    pub const POD: Kind<'static> = Kind::new("v1", "Pod");
    pub const REPLICA_SET: Kind<'static> = Kind::new("apps/v1", "ReplicaSet");
    pub const REPLICATION_CONTROLLER: Kind<'static> = Kind::new("v1", "ReplicationController");
    pub const RESOURCE_QUOTA: Kind<'static> = Kind::new("v1", "ResourceQuota");
    pub const SERVICE: Kind<'static> = Kind::new("v1", "Service");
    pub const SERVICE_ACCOUNT: Kind<'static> = Kind::new("v1", "ServiceAccount");
    /// Every kind, metadata only: for watches.
    pub const ANY: Kind<'static> = Kind::new("*", "*");

    pub fn object(self, namespace: &'a str, name: &'a str) -> ObjectRef<'a> {
        ObjectRef { kind: self, namespace, name }
    }
}

/// One object. `namespace` is empty for cluster-scoped kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectRef<'a> {
    pub kind: Kind<'a>,
    pub namespace: &'a str,
    pub name: &'a str,
}

/// Which objects to list; the default is all of a kind. Selectors are in kubectl's syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection<'a> {
    /// Empty: all namespaces.
    pub namespace: &'a str,
    pub labels: &'a str,
    pub fields: &'a str,
}

impl<'a> Selection<'a> {
    pub fn within(namespace: &'a str) -> Self {
        Selection { namespace, ..Selection::default() }
    }

    pub fn labels(mut self, labels: &'a str) -> Self {
        self.labels = labels;
        self
    }

    pub fn fields(mut self, fields: &'a str) -> Self {
        self.fields = fields;
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// Deletes only the object with this uid and version, when set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions<'a> {
    pub uid: Option<&'a str>,
    pub resource_version: Option<&'a str>,
    pub propagation: Option<Propagation>,
    pub grace_period_seconds: Option<i64>,
}

impl<'a> DeleteOptions<'a> {
    pub fn uid(uid: &'a str) -> Self {
        DeleteOptions { uid: Some(uid), ..DeleteOptions::default() }
    }

    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = Some(propagation);
        self
    }

    /// As the `DeleteOptions` that the API takes; empty when nothing is set.
    pub fn to_json(&self) -> String {
        let mut options = serde_json::Map::new();
        let mut preconditions = serde_json::Map::new();
        if let Some(uid) = self.uid {
            preconditions.insert("uid".into(), uid.into());
        }
        if let Some(version) = self.resource_version {
            preconditions.insert("resourceVersion".into(), version.into());
        }
        if !preconditions.is_empty() {
            options.insert("preconditions".into(), Value::Object(preconditions));
        }
        if let Some(propagation) = self.propagation {
            let policy = match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            };
            options.insert("propagationPolicy".into(), policy.into());
        }
        if let Some(seconds) = self.grace_period_seconds {
            options.insert("gracePeriodSeconds".into(), seconds.into());
        }
        if options.is_empty() { String::new() } else { Value::Object(options).to_string() }
    }
}

/// A served kind, as discovery tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    pub api_version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

impl Resource {
    pub fn as_kind(&self) -> Kind<'_> {
        Kind::new(&self.api_version, &self.kind)
    }

    /// False: it stands for a group version of an extension server that does not answer. What is in it is
    /// not known now; there is no kind, no plural and no verb.
    pub fn is_known(&self) -> bool {
        !self.plural.is_empty()
    }

    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }
}

/// A failed call: Kubernetes' Status in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub code: u16,
    /// `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, …
    pub reason: String,
    pub message: String,
}

impl ApiError {
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        ApiError { code, reason: reason.into(), message: message.into() }
    }

    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    /// A create refused because the namespace goes away: no use in trying again.
    pub fn is_namespace_terminating(&self) -> bool {
        self.code == 403 && self.message.contains("because it is being terminated")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({} {})", self.message, self.code, self.reason)
    }
}

impl std::error::Error for ApiError {}

/// The API as the controller's own service account sees it.
///
/// Reads come from the host's watch cache and may be older than the controller's last write.
pub trait Api {
    fn resources(&self) -> Vec<Resource>;

    /// `None` when there is no such object.
    fn get(&self, object: ObjectRef) -> Result<Option<Value>, ApiError>;
    /// As [`Api::get`], past the cache.
    fn get_live(&self, object: ObjectRef) -> Result<Option<Value>, ApiError>;
    /// A sub-resource that can be read (`scale`), always live; an error of code 404 when the kind has none
    /// of that name.
    fn get_subresource(&self, _object: ObjectRef, _subresource: &str) -> Result<Option<Value>, ApiError> {
        Err(ApiError::new(404, "NotFound", "the server could not find the requested resource"))
    }
    fn list(&self, kind: Kind, selection: Selection) -> Result<Vec<Value>, ApiError>;
    /// As [`Api::list`], one object after the other: of many large ones not all are held at once.
    fn each(&self, kind: Kind, selection: Selection, see: &mut dyn FnMut(Value)) -> Result<(), ApiError> {
        self.list(kind, selection)?.into_iter().for_each(see);
        Ok(())
    }
    /// Metadata of the objects of any kind whose `ownerReferences` name this uid.
    fn dependents(&self, owner_uid: &str) -> Result<Vec<Value>, ApiError>;

    /// Returns the object as stored.
    fn create(&self, object: &Value) -> Result<Value, ApiError>;
    /// Replaces; `metadata.resourceVersion`, when set, must match.
    fn update(&self, object: &Value) -> Result<Value, ApiError> {
        self.update_subresource(object, "")
    }
    fn update_status(&self, object: &Value) -> Result<Value, ApiError> {
        self.update_subresource(object, "status")
    }
    /// `status`, `scale`, `finalize`, …
    fn update_subresource(&self, object: &Value, subresource: &str) -> Result<Value, ApiError>;
    fn patch(&self, object: ObjectRef, patch_type: PatchType, body: &Value) -> Result<Value, ApiError> {
        self.patch_subresource(object, "", patch_type, body)
    }
    fn patch_subresource(
        &self,
        object: ObjectRef,
        subresource: &str,
        patch_type: PatchType,
        body: &Value,
    ) -> Result<Value, ApiError>;
    fn delete(&self, object: ObjectRef, options: &DeleteOptions) -> Result<(), ApiError>;
    /// Deletes every object of the kind in the namespace.
    fn delete_collection(&self, kind: Kind, namespace: &str, options: &DeleteOptions)
    -> Result<(), ApiError>;

    /// Records an Event about an object. `event_type`: `Normal` or `Warning`.
    fn event(&self, regarding: &Value, event_type: &str, reason: &str, message: &str);

    /// Adds to a counter of the plugin's own: `plugin_METRIC_total` on the host's `/metrics`, with the
    /// plugin's name and `labels`. What may be counted, and how much of it, is told in `orch:controller`'s
    /// interface `metrics`; the host drops the rest and says so in the plugin's log.
    fn count(&self, _metric: &str, _labels: Labels, _by: f64) {}

    /// Sets a gauge: `plugin_METRIC`.
    fn gauge(&self, _metric: &str, _labels: Labels, _value: f64) {}

    /// Adds a value to a histogram: `plugin_METRIC_bucket`, `…_sum` and `…_count`.
    fn observe(&self, _metric: &str, _labels: Labels, _value: f64) {}

    /// Takes out the samples of a metric with just these labels: what they are about is gone.
    fn forget(&self, _metric: &str, _labels: Labels) {}

    /// Milliseconds since the epoch (UTC).
    fn now_ms(&self) -> u64;
}

/// Names and values of a sample's labels, in any order.
pub type Labels<'a> = &'a [(&'a str, &'a str)];
