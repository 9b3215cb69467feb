//! Environment variables and what they refer to.

use serde_json::Value;

use crate::names;
use crate::validation::{Errors, Path, is_empty, items, text};

const SOURCES: [&str; 5] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub(super) fn validate(container: &Value, path: &Path, errors: &mut Errors) {
    for (index, variable) in items(&container["env"]).iter().enumerate() {
        let at = path.child("env").index(index);
        match text(&variable["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name => errors.rule(&at.child("name"), name, names::environment_name),
        }
        validate_source(variable, &at.child("valueFrom"), errors);
    }
    for (index, source) in items(&container["envFrom"]).iter().enumerate() {
        validate_from(source, &path.child("envFrom").index(index), errors);
    }
}

fn validate_source(variable: &Value, path: &Path, errors: &mut Errors) {
    let source = &variable["valueFrom"];
    if !source.is_object() {
        return;
    }
    let given = SOURCES.iter().filter(|field| source[**field].is_object()).count();
    if given == 0 {
        errors.invalid(path, &"".into(), "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
    } else if !is_empty(&variable["value"]) {
        errors.invalid(path, &"".into(), "may not be specified when `value` is not empty");
    } else if given > 1 {
        errors.invalid(path, &"".into(), "may not have more than one field specified at a time");
    }
    validate_field_ref(&source["fieldRef"], &path.child("fieldRef"), &FIELDS, errors);
    validate_resource_ref(&source["resourceFieldRef"], &path.child("resourceFieldRef"), errors);
    for field in ["configMapKeyRef", "secretKeyRef"] {
        validate_key_ref(&source[field], &path.child(field), errors);
    }
}

/// `fields` are those that the place allows beside single labels and annotations.
pub(super) fn validate_field_ref(reference: &Value, path: &Path, fields: &[&str], errors: &mut Errors) {
    if !reference.is_object() {
        return;
    }
    let at = path.child("fieldPath");
    match text(&reference["fieldPath"]) {
        "" => errors.required(&at, ""),
        field if fields.contains(&field) || is_subscript(field) => {}
        field => errors.invalid(
            &at,
            &field.into(),
            format!("error converting fieldPath: field label not supported: {field}"),
        ),
    }
}

/// `metadata.labels['app']`
fn is_subscript(field: &str) -> bool {
    ["metadata.labels['", "metadata.annotations['"]
        .iter()
        .any(|prefix| field.strip_prefix(prefix).is_some_and(|rest| rest.len() > 2 && rest.ends_with("']")))
}

pub(super) fn validate_resource_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    if !reference.is_object() {
        return;
    }
    let resource = text(&reference["resource"]);
    let huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !huge {
        errors.one_of(&path.child("resource"), &reference["resource"], &RESOURCES);
    }
}

fn validate_key_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    if !reference.is_object() {
        return;
    }
    if text(&reference["name"]).is_empty() {
        errors.required(&path.child("name"), "");
    }
    match text(&reference["key"]) {
        "" => errors.required(&path.child("key"), ""),
        key => errors.rule(&path.child("key"), key, names::config_key),
    }
}

fn validate_from(source: &Value, path: &Path, errors: &mut Errors) {
    let prefix = text(&source["prefix"]);
    if !prefix.is_empty() {
        errors.rule(&path.child("prefix"), prefix, names::environment_name);
    }
    let given: Vec<&str> =
        ["configMapRef", "secretRef"].into_iter().filter(|field| source[*field].is_object()).collect();
    match given.as_slice() {
        [] => errors.invalid(path, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
        [one] => {
            if text(&source[*one]["name"]).is_empty() {
                errors.required(&path.child(one).child("name"), "");
            }
        }
        _ => errors.invalid(path, &"".into(), "may not have more than one field specified at a time"),
    }
}
