//! What makes an object invalid, in upstream's order and words (`pkg/apis/*/validation`).

pub(crate) mod admission;
pub(crate) mod amount;
pub(crate) mod autoscaler;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod client_config;
pub(crate) mod condition;
pub(crate) mod config;
pub(crate) mod csi;
pub(crate) mod declared;
pub(crate) mod definition;
pub(crate) mod devices;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod ip;
pub(crate) mod metadata;
pub(crate) mod migration;
pub(crate) mod namespace;
pub(crate) mod network;
pub(crate) mod networking;
pub(crate) mod node;
pub(crate) mod node_labels;
pub(crate) mod path;
pub(crate) mod plugin;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod provisioning;
pub(crate) mod quota;
pub(crate) mod rbac;
pub(crate) mod registration;
pub(crate) mod selector;
pub(crate) mod service;
pub(crate) mod slice;
pub(crate) mod storage;
pub(crate) mod webhook;
pub(crate) mod workload;

pub(crate) use path::{Errors, Path};
use serde_json::Value;

const IMMUTABLE: &str = "field is immutable";
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Equal, where absent, empty and false are the same, as typed clients make them.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys().filter(|key| !x.contains_key(*key)));
            keys.into_iter().all(|key| same(&a[key], &b[key]))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        _ => a == b || (is_unset(a) && is_unset(b)),
    }
}

/// As [`same`], but `false` is a value: where it is still there, it was meant.
fn same_as_meant(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys().filter(|key| !x.contains_key(*key)));
            keys.into_iter().all(|key| same_as_meant(&a[key], &b[key]))
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_as_meant(x, y))
        }
        (Value::Bool(_), _) | (_, Value::Bool(_)) => a == b,
        _ => same(a, b),
    }
}

/// For people: which fields of a spec that may not change did.
fn changed_fields(path: &Path, new: &Value, old: &Value) -> String {
    let mut names: Vec<&String> =
        [new, old].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !same_as_meant(&new[name.as_str()], &old[name.as_str()]));
    let names: Vec<String> = names.into_iter().map(|name| path.child(name).to_string()).collect();
    format!("changed: {}", names.join(", "))
}

fn is_unset(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().all(is_unset),
        Value::Bool(set) => !set,
        other => is_empty(other),
    }
}

#[cfg(test)]
mod tests;
