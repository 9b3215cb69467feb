//! Admission checks: a request is let through, changed or refused before it is stored.

use serde::Deserialize;
use serde_json::Value;

use crate::Interest;

mod host;
mod patch;

#[doc(hidden)]
pub use host::Exports;
pub use patch::diff;

/// An admission check.
pub trait Check: Default + 'static {
    fn describe() -> Description;

    /// `spec.config`; an error refuses the plugin and names the field.
    fn configure(&mut self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    /// What a request must be to matter, as this is configured; nothing said: whatever the rules name.
    fn conditions(&self) -> Vec<Condition> {
        Vec::new()
    }

    /// What of a request this reads, as it is configured; nothing said: all of it. Requests that are alike
    /// as far as they are read may get one answer while nothing changes that [`Check::sync`] is told.
    fn reads(&self) -> Vec<Reading> {
        Vec::new()
    }

    /// A change of an object of interest, current at every `review`.
    fn sync(&mut self, _delta: Delta) -> Result<(), String> {
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial>;
}

/// Turns an implementation of [`Check`] into a component. Does nothing in a native build.
#[macro_export]
macro_rules! export_admission {
    ($check:ident) => {
        #[cfg(target_family = "wasm")]
        mod __orch_component {
            pub struct Component;
            thread_local! {
                static STATE: $crate::Resident<super::$check> = ::core::default::Default::default();
            }
            impl $crate::admission::Exports for Component {
                type Check = super::$check;
                fn with<R>(f: impl FnOnce(&mut super::$check) -> R) -> R {
                    STATE.with(|state| f(&mut state.borrow_mut()))
                }
            }
            $crate::bindings::admission::export!(Component with_types_in $crate::bindings::admission);
        }
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// Which requests are worth a call. `*` matches all; resources are plurals, `pods/status` a sub-resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub operations: Vec<Operation>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    pub rules: Vec<Rule>,
    pub interests: Vec<Interest>,
    /// The check may return a patch.
    pub mutates: bool,
}

impl Description {
    pub fn new() -> Self {
        Description::default()
    }

    pub fn reviews(mut self, operations: &[Operation], api_groups: &[&str], resources: &[&str]) -> Self {
        self.rules.push(Rule {
            operations: operations.to_vec(),
            api_groups: owned(api_groups),
            resources: owned(resources),
        });
        self
    }

    /// Objects of this kind are kept resident through `sync`, cut down to these fields.
    pub fn reads(mut self, api_version: &str, kind: &str, fields: &[&str]) -> Self {
        self.interests.push(Interest::new(api_version, kind, fields));
        self
    }

    pub fn mutates(mut self) -> Self {
        self.mutates = true;
        self
    }
}

/// All that is said must hold; what is left empty says nothing. Resources of the rules that no condition
/// names always matter; of several conditions that name one, one must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// As in the rules.
    pub resources: Vec<String>,
    /// Whoever asks is in one of these groups.
    pub groups: Vec<String>,
    /// The request's namespace has a label with one of these keys; `example.com/*`: that begins so.
    pub namespace_labels: Vec<String>,
}

impl Condition {
    pub fn on(resources: &[&str]) -> Self {
        Condition { resources: owned(resources), ..Condition::default() }
    }

    pub fn groups(mut self, groups: &[&str]) -> Self {
        self.groups = owned(groups);
        self
    }

    pub fn namespace_labels(mut self, keys: &[&str]) -> Self {
        self.namespace_labels = owned(keys);
        self
    }
}

/// Of several readings that name a resource all count; what none names is sent whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// As in the rules.
    pub resources: Vec<String>,
    /// Paths in the AdmissionRequest: `namespace`, `object.spec.containers[*].image`. Its `kind`,
    /// `resource`, `sub_resource` and `operation` are always there. A patch must not add to what is not
    /// named: [`Admitted::changed`] would take it for missing.
    pub fields: Vec<String>,
}

impl Reading {
    pub fn of(resources: &[&str], fields: &[&str]) -> Self {
        Reading { resources: owned(resources), fields: owned(fields) }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    Upsert(Value),
    /// The object's identity.
    Remove(Value),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct GroupKind {
    pub group: String,
    pub version: String,
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct GroupResource {
    pub group: String,
    pub version: String,
    pub resource: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    pub username: String,
    pub uid: String,
    pub groups: Vec<String>,
}

/// `admission.k8s.io/v1` AdmissionRequest. `object` and `old_object` are `Null` where there is none.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(default)]
    pub uid: String,
    #[serde(default)]
    pub kind: GroupKind,
    #[serde(default)]
    pub resource: GroupResource,
    #[serde(default)]
    pub sub_resource: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub namespace: String,
    pub operation: Operation,
    #[serde(default)]
    pub user_info: UserInfo,
    #[serde(default)]
    pub object: Value,
    #[serde(default)]
    pub old_object: Value,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub options: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admitted {
    /// RFC 6902 on `request.object`, or empty.
    pub patch: String,
    pub warnings: Vec<String>,
}

impl Admitted {
    pub fn unchanged() -> Self {
        Admitted::default()
    }

    /// Admitted as `after`.
    pub fn changed(before: &Value, after: &Value) -> Self {
        let operations = diff(before, after);
        let patch = if operations.is_empty() { String::new() } else { Value::Array(operations).to_string() };
        Admitted { patch, ..Admitted::default() }
    }
}

/// The Status the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub code: u16,
    pub reason: String,
    pub message: String,
}

impl Denial {
    pub fn forbidden(message: impl Into<String>) -> Self {
        Denial { code: 403, reason: "Forbidden".into(), message: message.into() }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Denial { code: 404, reason: "NotFound".into(), message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Denial { code: 422, reason: "Invalid".into(), message: message.into() }
    }
}
