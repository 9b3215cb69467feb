//! The component's side of `orch:controller`: generated types to the SDK's and back.

use serde_json::Value;

use super::api::{Api, ApiError, DeleteOptions, Kind, Labels, ObjectRef, PatchType, Resource, Selection};
use super::{Change, Controller, Description, Keys, MetricKind, Outcome, Watch};
use crate::bindings::controller::exports::orch::controller::reconciler as wit;
use crate::bindings::controller::orch::controller::{api, metrics};

/// Implemented by `export_controller!`: where the one instance of the controller lives.
pub trait Exports: 'static {
    type Controller: Controller;
    fn with<R>(f: impl FnOnce(&mut Self::Controller) -> R) -> R;
}

impl<T: Exports> wit::Guest for T {
    fn describe() -> wit::Description {
        crate::log::report_panics();
        let description = T::Controller::describe();
        for metric in &description.metrics {
            metrics::declare(&metric.name, metric.kind.into(), &metric.help, &metric.buckets);
        }
        description.into()
    }

    fn configure(config: String) -> Result<(), String> {
        let config = parse(&config).map_err(|error| error.message)?;
        T::with(|controller| controller.configure(&config))
    }

    fn keys(watch: u32, change: wit::Change, object: String, before: Option<String>) -> Vec<String> {
        let Ok(object) = parse(&object) else { return Vec::new() };
        let before = before.and_then(|before| parse(&before).ok());
        T::with(|controller| controller.keys(watch as usize, change.into(), &object, before.as_ref()))
    }

    fn reconcile(key: String) -> Result<wit::Outcome, String> {
        T::with(|controller| controller.reconcile(&HostApi, &key))
            .map(|Outcome { requeue_after_ms }| wit::Outcome { requeue_after_ms })
            .map_err(|error| error.to_string())
    }
}

/// The `api` import.
pub struct HostApi;

impl HostApi {
    fn read(object: ObjectRef, live: bool) -> Result<Option<Value>, ApiError> {
        let ObjectRef { kind, namespace, name } = object;
        match api::get(kind.api_version, kind.kind, namespace, name, live)? {
            Some(object) => parse(&object).map(Some),
            None => Ok(None),
        }
    }
}

impl Api for HostApi {
    fn resources(&self) -> Vec<Resource> {
        api::resources().into_iter().map(Resource::from).collect()
    }

    fn get(&self, object: ObjectRef) -> Result<Option<Value>, ApiError> {
        HostApi::read(object, false)
    }

    fn get_live(&self, object: ObjectRef) -> Result<Option<Value>, ApiError> {
        HostApi::read(object, true)
    }

    fn get_subresource(&self, object: ObjectRef, subresource: &str) -> Result<Option<Value>, ApiError> {
        let kind = format!("{}/{subresource}", object.kind.kind);
        HostApi::read(ObjectRef { kind: Kind::new(object.kind.api_version, &kind), ..object }, true)
    }

    fn list(&self, kind: Kind, selection: Selection) -> Result<Vec<Value>, ApiError> {
        let mut objects = Vec::new();
        self.each(kind, selection, &mut |object| objects.push(object))?;
        Ok(objects)
    }

    fn each(&self, kind: Kind, selection: Selection, see: &mut dyn FnMut(Value)) -> Result<(), ApiError> {
        let Selection { namespace, labels, fields } = selection;
        for object in api::list(kind.api_version, kind.kind, namespace, labels, fields)? {
            see(parse(&object)?);
        }
        Ok(())
    }

    fn dependents(&self, owner_uid: &str) -> Result<Vec<Value>, ApiError> {
        api::dependents(owner_uid)?.iter().map(|object| parse(object)).collect()
    }

    fn create(&self, object: &Value) -> Result<Value, ApiError> {
        parse(&api::create(&object.to_string())?)
    }

    fn update_subresource(&self, object: &Value, subresource: &str) -> Result<Value, ApiError> {
        parse(&api::update(&object.to_string(), subresource)?)
    }

    fn patch_subresource(
        &self,
        object: ObjectRef,
        subresource: &str,
        patch_type: PatchType,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let ObjectRef { kind, namespace, name } = object;
        let body = body.to_string();
        let patch_type = patch_type.into();
        parse(&api::patch(kind.api_version, kind.kind, namespace, name, subresource, patch_type, &body)?)
    }

    fn delete(&self, object: ObjectRef, options: &DeleteOptions) -> Result<(), ApiError> {
        let ObjectRef { kind, namespace, name } = object;
        Ok(api::delete(kind.api_version, kind.kind, namespace, name, &options.to_json())?)
    }

    fn delete_collection(
        &self,
        kind: Kind,
        namespace: &str,
        options: &DeleteOptions,
    ) -> Result<(), ApiError> {
        Ok(api::delete_collection(kind.api_version, kind.kind, namespace, &options.to_json())?)
    }

    fn event(&self, regarding: &Value, event_type: &str, reason: &str, message: &str) {
        api::event(&crate::object::identity(regarding).to_string(), event_type, reason, message);
    }

    fn count(&self, metric: &str, labels: Labels, by: f64) {
        metrics::add(metric, &told(labels), by);
    }

    fn gauge(&self, metric: &str, labels: Labels, value: f64) {
        metrics::set(metric, &told(labels), value);
    }

    fn observe(&self, metric: &str, labels: Labels, value: f64) {
        metrics::observe(metric, &told(labels), value);
    }

    fn forget(&self, metric: &str, labels: Labels) {
        metrics::forget(metric, &told(labels));
    }

    fn now_ms(&self) -> u64 {
        api::now()
    }
}

fn told(labels: Labels) -> Vec<metrics::Label> {
    let label =
        |(name, value): &(&str, &str)| metrics::Label { name: (*name).into(), value: (*value).into() };
    labels.iter().map(label).collect()
}

fn parse(json: &str) -> Result<Value, ApiError> {
    serde_json::from_str(json)
        .map_err(|error| ApiError::new(500, "InternalError", format!("not JSON: {error}")))
}

impl From<api::ApiError> for ApiError {
    fn from(error: api::ApiError) -> Self {
        ApiError { code: error.code, reason: error.reason, message: error.message }
    }
}

impl From<api::Resource> for Resource {
    fn from(resource: api::Resource) -> Self {
        let api::Resource { api_version, kind, plural, namespaced, verbs } = resource;
        Resource { api_version, kind, plural, namespaced, verbs }
    }
}

impl From<PatchType> for api::PatchType {
    fn from(patch_type: PatchType) -> Self {
        match patch_type {
            PatchType::Json => api::PatchType::Json,
            PatchType::Merge => api::PatchType::Merge,
            PatchType::Strategic => api::PatchType::Strategic,
            PatchType::Apply => api::PatchType::Apply,
        }
    }
}

impl From<MetricKind> for metrics::Kind {
    fn from(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => metrics::Kind::Counter,
            MetricKind::Gauge => metrics::Kind::Gauge,
            MetricKind::Histogram => metrics::Kind::Histogram,
        }
    }
}

impl From<wit::Change> for Change {
    fn from(change: wit::Change) -> Self {
        match change {
            wit::Change::Added => Change::Added,
            wit::Change::Modified => Change::Modified,
            wit::Change::Deleted => Change::Deleted,
        }
    }
}

impl From<Description> for wit::Description {
    fn from(description: Description) -> Self {
        wit::Description {
            watches: description.watches.into_iter().map(wit::Watch::from).collect(),
            concurrency: description.concurrency,
        }
    }
}

impl From<Watch> for wit::Watch {
    fn from(watch: Watch) -> Self {
        let keys = match watch.keys {
            Keys::Itself => wit::Mapping::Itself,
            Keys::ControllerOwner(kind) => wit::Mapping::ControllerOwner(kind),
            Keys::Custom => wit::Mapping::Custom,
        };
        wit::Watch { interest: watch.interest.into(), keys }
    }
}
