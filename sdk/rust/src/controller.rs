//! Controllers: what they watch, how a change becomes a key, and what they do about a key.
//!
//! [`Api`] is a trait so that a controller's logic runs natively over [`crate::fake::Cluster`].

use std::fmt;

use serde_json::Value;

use crate::Interest;

mod api;
mod host;

pub use api::{
    Api, ApiError, DeleteOptions, Kind, Labels, ObjectRef, PatchType, Propagation, Resource, Selection,
};
#[doc(hidden)]
pub use host::{Exports, HostApi};

/// A controller. `Default` makes the instance; nothing outlives it but what is in the API.
pub trait Controller: Default + 'static {
    fn describe() -> Description;

    /// `spec.config`; an error refuses the plugin and names the field.
    fn configure(&mut self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    /// For [`Keys::Custom`] watches: the keys to reconcile because `object` changed. `watch` is its
    /// place in [`Description::watches`]; `before` is set for [`Change::Modified`].
    fn keys(
        &mut self,
        _watch: usize,
        _change: Change,
        _object: &Value,
        _before: Option<&Value>,
    ) -> Vec<String> {
        Vec::new()
    }

    /// Brings the world nearer to what the API asks for; called again after an error, with back-off.
    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error>;
}

/// Turns an implementation of [`Controller`] into a component. Does nothing in a native build.
#[macro_export]
macro_rules! export_controller {
    ($controller:ident) => {
        #[cfg(target_family = "wasm")]
        mod __orch_component {
            pub struct Component;
            thread_local! {
                static STATE: $crate::Resident<super::$controller> = ::core::default::Default::default();
            }
            impl $crate::controller::Exports for Component {
                type Controller = super::$controller;
                fn with<R>(f: impl FnOnce(&mut super::$controller) -> R) -> R {
                    STATE.with(|state| f(&mut state.borrow_mut()))
                }
            }
            $crate::bindings::controller::export!(Component with_types_in $crate::bindings::controller);
        }
    };
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// `namespace/name`, or `name` for cluster-scoped objects.
    Itself,
    /// The controlling owner of this kind.
    ControllerOwner(String),
    /// [`Controller::keys`] says.
    Custom,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    pub interest: Interest,
    pub keys: Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric of the controller's own: see [`Api::count`], [`Api::gauge`] and [`Api::observe`].
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub name: String,
    pub kind: MetricKind,
    pub help: String,
    /// Upper bounds of a histogram's buckets; empty: for durations in seconds.
    pub buckets: Vec<f64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Description {
    pub watches: Vec<Watch>,
    /// How many different keys may be reconciled at once; 0 means 1.
    pub concurrency: u32,
    /// What is said of metrics beforehand; any may be left out.
    pub metrics: Vec<Metric>,
}

impl Description {
    pub fn new() -> Self {
        Description::default()
    }

    pub fn concurrency(mut self, concurrency: u32) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// A change of such an object reconciles its own key.
    pub fn watches(self, kind: Kind, fields: &[&str]) -> Self {
        self.watch(kind, fields, Keys::Itself)
    }

    /// A change of such an object reconciles the object of kind `owner` that controls it.
    pub fn watches_owned(self, kind: Kind, owner: Kind, fields: &[&str]) -> Self {
        self.watch(kind, fields, Keys::ControllerOwner(owner.kind.to_string()))
    }

    /// A change of such an object reconciles what [`Controller::keys`] answers.
    pub fn watches_mapped(self, kind: Kind, fields: &[&str]) -> Self {
        self.watch(kind, fields, Keys::Custom)
    }

    pub fn counter(self, name: &str, help: &str) -> Self {
        self.metric(name, MetricKind::Counter, help, &[])
    }

    pub fn gauge(self, name: &str, help: &str) -> Self {
        self.metric(name, MetricKind::Gauge, help, &[])
    }

    pub fn histogram(self, name: &str, help: &str, buckets: &[f64]) -> Self {
        self.metric(name, MetricKind::Histogram, help, buckets)
    }

    fn metric(mut self, name: &str, kind: MetricKind, help: &str, buckets: &[f64]) -> Self {
        self.metrics.push(Metric { name: name.into(), kind, help: help.into(), buckets: buckets.into() });
        self
    }

    fn watch(mut self, kind: Kind, fields: &[&str], keys: Keys) -> Self {
        self.watches.push(Watch { interest: Interest::new(kind.api_version, kind.kind, fields), keys });
        self
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// What is left to do about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Reconcile again after this many milliseconds, though nothing changed.
    pub requeue_after_ms: Option<u64>,
}

impl Outcome {
    /// Nothing until something changes.
    pub fn done() -> Self {
        Outcome::default()
    }

    pub fn requeue_after_ms(millis: u64) -> Self {
        Outcome { requeue_after_ms: Some(millis) }
    }
}

/// Why a key could not be reconciled; the host tries again with back-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    Api(ApiError),
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Api(error) => error.fmt(out),
            Error::Other(message) => out.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Error::Api(error)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Error::Other(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Error::Other(message.into())
    }
}

/// `namespace/name` taken apart; the namespace is empty for cluster-scoped objects.
pub fn split_key(key: &str) -> (&str, &str) {
    key.split_once('/').unwrap_or(("", key))
}

/// `namespace/name`, or `name`.
pub fn key_of(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.into() } else { format!("{namespace}/{name}") }
}
