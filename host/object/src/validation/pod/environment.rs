//! Environment variables and what they refer to.

use serde_json::Value;

use super::volume::no_backsteps;
use crate::names;
use crate::quantity::Quantity;
use crate::validation::{Errors, Path, is_empty, items, text};

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
/// What the API calls fields that can be asked for (`ConvertDownwardAPIFieldLabel`).
const LABELS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const SOURCES: &str =
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
const ONE_ONLY: &str = "may not have more than one field specified at a time";

/// A rule for one way to refer to a value.
type Check = fn(&Value, &Path, &mut Errors);

const CHECKS: [(&str, Check); 5] = [
    ("fieldRef", |reference, path, errors| validate_field_ref(reference, path, &FIELDS, errors)),
    ("resourceFieldRef", |reference, path, errors| validate_resource_ref(reference, path, false, errors)),
    ("configMapKeyRef", validate_key_ref),
    ("secretKeyRef", validate_key_ref),
    ("fileKeyRef", validate_file_ref),
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
    let at = path.child("envFrom");
    for (index, source) in items(&container["envFrom"]).iter().enumerate() {
        validate_from(source, &at.index(index), &at, errors);
    }
}

fn validate_source(variable: &Value, path: &Path, errors: &mut Errors) {
    let source = &variable["valueFrom"];
    if !source.is_object() {
        return;
    }
    let given: Vec<_> = CHECKS.iter().filter(|(field, _)| source[*field].is_object()).collect();
    for (field, check) in &given {
        check(&source[*field], &path.child(field), errors);
    }
    if given.is_empty() {
        errors.invalid(path, &"".into(), SOURCES);
    } else if !is_empty(&variable["value"]) {
        errors.invalid(path, &"".into(), "may not be specified when `value` is not empty");
    } else if given.len() > 1 {
        errors.invalid(path, &"".into(), ONE_ONLY);
    }
}

/// `fields` are those that the place allows beside single labels and annotations.
pub(super) fn validate_field_ref(reference: &Value, path: &Path, fields: &[&str], errors: &mut Errors) {
    for field in ["apiVersion", "fieldPath"] {
        if text(&reference[field]).is_empty() {
            return errors.required(&path.child(field), "");
        }
    }
    let (version, given) = (text(&reference["apiVersion"]), text(&reference["fieldPath"]));
    // Its name before there was a v1.
    let field = if given == "spec.host" { "spec.nodeName" } else { given };
    let at = path.child("fieldPath");
    let unconvertible = |why: String| format!("error converting fieldPath: {why}");
    if version != "v1" {
        return errors.invalid(
            &at,
            &field.into(),
            unconvertible(format!("unsupported pod version: {version}")),
        );
    }
    match subscript(field) {
        Some(("metadata.annotations", key)) => errors.rule(path, &key.to_lowercase(), names::qualified_name),
        Some(("metadata.labels", key)) => errors.rule(path, key, names::qualified_name),
        Some(_) => {
            let why = unconvertible(format!("field label does not support subscript: {field}"));
            errors.invalid(&at, &field.into(), why);
        }
        None if !LABELS.contains(&field) => {
            let why = unconvertible(format!("field label not supported: {field}"));
            errors.invalid(&at, &field.into(), why);
        }
        None => errors.one_of(&at, &field.into(), fields),
    }
}

/// `metadata.labels['app']`
fn subscript(field: &str) -> Option<(&str, &str)> {
    field.strip_suffix("']")?.split_once("['").filter(|(path, _)| !path.is_empty())
}

/// In a volume it must name its container.
pub(super) fn validate_resource_ref(reference: &Value, path: &Path, in_volume: bool, errors: &mut Errors) {
    let resource = text(&reference["resource"]);
    let huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if in_volume && text(&reference["containerName"]).is_empty() {
        errors.required(&path.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&path.child("resource"), "");
    } else if !huge {
        errors.one_of(&path.child("resource"), &reference["resource"], &RESOURCES);
    }
    validate_divisor(resource, &reference["divisor"], &path.child("divisor"), errors);
}

const FOR_CPU: &[&str] = &["1m", "1"];
const FOR_BYTES: &[&str] =
    &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

fn validate_divisor(resource: &str, divisor: &Value, path: &Path, errors: &mut Errors) {
    let Some(divisor) = Quantity::from_json(divisor).ok().filter(|divisor| !divisor.is_zero()) else {
        return;
    };
    let (values, of) = match resource.split_once('.').unwrap_or_default() {
        (_, "cpu") => (FOR_CPU, "cpu"),
        (_, "memory") => (FOR_BYTES, "memory"),
        (_, "ephemeral-storage") => (FOR_BYTES, "local ephemeral storage"),
        (_, name) if name.starts_with("hugepages-") => (FOR_BYTES, "hugepages"),
        _ => return,
    };
    if values.contains(&divisor.to_string().as_str()) {
        return;
    }
    let listed = if of == "cpu" { values.join(" and ") } else { values.join(", ") };
    let detail = format!("only divisor's values {listed} are supported with the {of} resource");
    errors.invalid(path, &resource.into(), detail);
}

fn validate_key_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    errors.rule(&path.child("name"), text(&reference["name"]), names::dns1123_subdomain);
    match text(&reference["key"]) {
        "" => errors.required(&path.child("key"), ""),
        key => errors.rule(&path.child("key"), key, names::config_key),
    }
}

fn validate_file_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    let rules: [(&str, names::Rule); 2] =
        [("key", names::environment_name), ("volumeName", names::dns1123_label)];
    for (field, rule) in rules {
        match text(&reference[field]) {
            "" => errors.required(&path.child(field), ""),
            name => errors.rule(&path.child(field), name, rule),
        }
    }
    match text(&reference["path"]) {
        "" => errors.required(&path.child("path"), ""),
        _ => no_backsteps(&reference["path"], &path.child("path"), errors),
    }
}

/// That there is no source, or two, is said of the whole list.
fn validate_from(source: &Value, path: &Path, list: &Path, errors: &mut Errors) {
    let prefix = text(&source["prefix"]);
    if !prefix.is_empty() {
        errors.rule(&path.child("prefix"), prefix, names::environment_name);
    }
    let given: Vec<&str> =
        ["configMapRef", "secretRef"].into_iter().filter(|field| source[*field].is_object()).collect();
    for field in &given {
        let at = path.at(&[field, "name"]);
        match text(&source[*field]["name"]) {
            "" => errors.required(&at, ""),
            name => {
                // As the base of a name, which more would follow.
                for message in names::dns1123_subdomain(&names::as_base(name)) {
                    errors.invalid(&at, &name.into(), message);
                }
            }
        }
    }
    match given.len() {
        0 => errors.invalid(list, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
        1 => {}
        _ => errors.invalid(list, &"".into(), ONE_ONLY),
    }
}
