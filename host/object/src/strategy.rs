//! What kinds do beyond the generic pipeline: defaults, preparation, grace, validation.
//! Defaults and messages are upstream's (`pkg/apis/*/v1/defaults.go`, `pkg/registry`, `validation`).

pub(crate) mod admission;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod config;
pub(crate) mod definition;
pub(crate) mod devices;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod migration;
pub(crate) mod namespace;
pub(crate) mod networking;
pub(crate) mod node;
pub(crate) mod plugin;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod quota;
pub(crate) mod rbac;
pub(crate) mod registration;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod webhook;
pub(crate) mod workload;

use serde_json::{Map, Value};

use crate::kind::{Source, Strategy};
use crate::validation::metadata::validate_object;

/// Nothing special: metadata is validated, everything else is kept as it came.
pub(crate) const PLAIN: Strategy = Strategy {
    source: Source::Store,
    is_namespace: false,
    connects: None,
    deprecated: "",
    default: |_| {},
    names_itself: false,
    prepare_create: |_| {},
    prepare_update: |_, _| {},
    begin_delete: None,
    grace_period: |_, _| None,
    validate: validate_object,
    warn: |_, _| Vec::new(),
    warn_of_orphans: "",
    grants: None,
    demands: |_, _, _| None,
    record_requester: None,
    keep_rest: |_, _, _| {},
    prepare_part: |_, _, _, _| {},
    reset_by_status: &["spec"],
    validate_part: None,
};

/// As `PLAIN`, with a status that is its controller's.
pub(crate) const WITH_STATUS: Strategy =
    Strategy { prepare_create: drop_status, prepare_update: restore_status, ..PLAIN };

/// As `WITH_STATUS`, where a write to the status leaves the metadata alone.
pub(crate) const WITH_LONE_STATUS: Strategy = Strategy {
    prepare_part: |new, old, _, _| restore_metadata(new, old),
    reset_by_status: &["spec", "metadata"],
    ..WITH_STATUS
};

/// Sets a field that is absent or null. Go's zero values are absent by now (`drop_zeros`); what is empty
/// and still there stands behind a pointer, and was meant.
fn default_to(object: &mut Value, field: &str, value: impl Into<Value>) {
    let Value::Object(map) = object else { return };
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.into(), value.into());
    }
}

/// The object in a field, if there is one.
fn part<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    object.get_mut(field).filter(|value| value.is_object())
}

/// The object in a field, made when it is missing.
fn ensure<'v>(object: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    let map = object.as_object_mut()?;
    let slot = map.entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot.is_object().then_some(slot)
}

/// The items of a list field.
fn each<'v>(object: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> + use<'v> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().filter(|item| item.is_object())
}

fn remove(object: &mut Value, field: &str) {
    if let Value::Object(map) = object {
        map.remove(field);
    }
}

/// A new object starts with a status of its own making.
fn drop_status(object: &mut Value) {
    remove(object, "status");
}

/// An update of the main resource leaves a field as it was.
fn restore(new: &mut Value, old: &Value, field: &str) {
    let Value::Object(map) = new else { return };
    match old.get(field) {
        Some(value) => map.insert(field.into(), value.clone()),
        None => map.remove(field),
    };
}

fn restore_status(new: &mut Value, old: &Value) {
    restore(new, old, "status");
}

/// One more than the old object's, which may have none.
fn count_generation(new: &mut Value, old: &Value) {
    if let Some(metadata) = part(new, "metadata") {
        metadata["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
}

/// Some kinds' status writes change nothing of the metadata but who wrote (`ResetObjectMetaForStatus`).
fn restore_metadata(new: &mut Value, old: &Value) {
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(metadata) = part(new, "metadata") {
            restore(metadata, &old["metadata"], field);
        }
    }
}

#[cfg(test)]
mod tests;
