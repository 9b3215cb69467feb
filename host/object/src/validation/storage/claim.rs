//! PersistentVolumeClaims.

use serde_json::{Value, json};

use super::super::amount::{self, entries};
use super::super::{Errors, IMMUTABLE, Path, items, metadata, same, selector, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const RESIZES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];
/// The class's name before it had a field.
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(crate) fn validate_claim(claim: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if let Some(old) = old {
        metadata::validate_change(claim, old, &mut errors);
    }
    metadata::validate_new(claim, names::dns1123_subdomain, &mut errors);
    validate_claim_spec(&claim["spec"], &Path::new("spec"), &mut errors);
    if let Some(old) = old {
        validate_update(claim, old, &mut errors);
    }
    errors.into_vec()
}

pub(super) fn validate_modes(modes: &Value, path: &Path, errors: &mut Errors) {
    for mode in items(modes) {
        errors.one_of(path, mode, &MODES);
    }
    let alone = |mode: &&Value| *mode == "ReadWriteOncePod";
    let others = items(modes).iter().filter(|mode| !alone(mode) && MODES.contains(&text(mode)));
    if items(modes).iter().any(|mode| alone(&mode)) && others.count() > 0 {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

pub(super) fn validate_class_name(spec: &Value, field: &str, path: &Path, errors: &mut Errors) {
    let class = text(&spec[field]);
    if !class.is_empty() {
        errors.rule(&path.child(field), class, names::dns1123_subdomain);
    }
}

/// `ValidatePersistentVolumeClaimSpec`, of templates of claims too.
pub(crate) fn validate_claim_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("accessModes");
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&at, "at least 1 access mode is required");
    }
    selector::validate(&spec["selector"], &path.child("selector"), errors);
    validate_modes(&spec["accessModes"], &at, errors);
    let at = path.child("resources").key("storage");
    match &spec["resources"]["requests"]["storage"] {
        Value::Null => errors.required(&at, ""),
        size => amount::validate_positive(size, &at, errors),
    }
    validate_class_name(spec, "storageClassName", path, errors);
    errors.given_one_of(&path.child("volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
    validate_source(&spec["dataSource"], &path.child("dataSource"), errors);
    validate_source(&spec["dataSourceRef"], &path.child("dataSourceRef"), errors);
    validate_sources(spec, path, errors);
    validate_class_name(spec, "volumeAttributesClassName", path, errors);
}

fn validate_source(source: &Value, path: &Path, errors: &mut Errors) {
    if !source.is_object() {
        return;
    }
    errors.require_all(source, &["name", "kind"], path);
    let group = text(&source["apiGroup"]);
    if group.is_empty() && source["kind"] != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, &source["kind"], detail);
    }
    if !group.is_empty() {
        errors.rule(&path.child("apiGroup"), group, names::dns1123_subdomain);
    }
    let namespace = text(&source["namespace"]);
    if !namespace.is_empty() {
        errors.rule(&path.child("namespace"), namespace, names::dns1123_label);
    }
}

/// The old field says the same as the new one, or nothing.
fn validate_sources(spec: &Value, path: &Path, errors: &mut Errors) {
    let (old, new) = (&spec["dataSource"], &spec["dataSourceRef"]);
    if !old.is_object() || !new.is_object() {
        return;
    }
    let differ = ["apiGroup", "kind", "name"].iter().any(|field| old[*field] != new[*field]);
    // Upstream shows the path, which has no fields to show.
    if !text(&new["namespace"]).is_empty() {
        errors.invalid(path, &json!({}), "may not be specified when dataSourceRef.namespace is specified");
    } else if differ {
        errors.invalid(path, &json!({}), "must match dataSourceRef");
    }
}

/// A claim may get its volume and a missing class, and, once bound, more room.
fn validate_update(claim: &Value, old: &Value, errors: &mut Errors) {
    const FIXED: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    let (path, spec, before) = (Path::new("spec"), &claim["spec"], &old["spec"]);
    let class = |claim: &Value| text(&claim["metadata"]["annotations"][CLASS]).to_owned();
    let (new_class, old_class) = (class(claim), class(old));
    let moved = !old_class.is_empty()
        && before["storageClassName"].is_null()
        && spec["storageClassName"] == old_class.as_str()
        && (new_class.is_empty() || new_class == old_class);
    if !moved && new_class != old_class {
        let at = Path::new("metadata").child("annotations").child(CLASS);
        errors.invalid(&at, &new_class.into(), IMMUTABLE);
    }
    let bound = old["status"]["phase"] == "Bound";
    let allowed = with_allowed_changes(spec, before, bound, &old_class);
    if !same(spec, &allowed) {
        errors.forbidden(&path, format!("{FIXED}\n{}", super::super::changed_fields(&path, spec, &allowed)));
    }
    validate_shrinking(spec, old, &path, errors);
    errors.immutable(&Path::new("volumeMode"), &spec["volumeMode"], &before["volumeMode"]);
    let attributes = "volumeAttributesClassName";
    if !old["status"]["currentVolumeAttributesClassName"].is_null() && spec[attributes] != before[attributes]
    {
        let what = match spec[attributes].as_str() {
            None => "nil",
            Some("") => "empty string",
            Some(_) => return,
        };
        let detail =
            format!("update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil");
        errors.forbidden(&path.child(attributes), detail);
    }
}

fn with_allowed_changes(spec: &Value, before: &Value, bound: bool, old_class: &str) -> Value {
    let mut allowed = before.clone();
    if !allowed.is_object() {
        return allowed;
    }
    if text(&before["volumeName"]).is_empty() {
        allowed["volumeName"] = spec["volumeName"].clone();
    }
    let class = spec["storageClassName"].as_str();
    if before["storageClassName"].is_null()
        && class.is_some_and(|class| old_class.is_empty() || class == old_class)
    {
        allowed["storageClassName"] = spec["storageClassName"].clone();
    }
    if bound {
        allowed["volumeAttributesClassName"] = spec["volumeAttributesClassName"].clone();
        if spec["resources"]["requests"].is_object() {
            allowed["resources"]["requests"]["storage"] = spec["resources"]["requests"]["storage"].clone();
        }
    }
    allowed
}

fn validate_shrinking(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let size = |value: &Value| Quantity::from_json(&value["storage"]).unwrap_or(Quantity::ZERO);
    let new = size(&spec["resources"]["requests"]);
    let smaller = new < size(&old["spec"]["resources"]["requests"]);
    if smaller && new <= size(&old["status"]["capacity"]) {
        let at = path.at(&["resources", "requests", "storage"]);
        errors.forbidden(&at, "field can not be less than status.capacity");
    }
}

/// A write of the status.
pub(crate) fn validate_claim_part(claim: &Value, old: &Value, _: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_change(claim, old, &mut errors);
    let (path, status) = (Path::new("status"), &claim["status"]);
    for (name, amount) in entries(&status["capacity"]) {
        validate_size(amount, &path.child("capacity").key(name), &mut errors);
    }
    for (name, state) in entries(&status["allocatedResourceStatuses"]) {
        let at = path.child("allocatedResourceStatuses");
        validate_resource(name, &at, &mut errors);
        if !RESIZES.contains(&text(state)) {
            errors.push(FieldError::not_supported(at.as_str(), name.as_str(), &RESIZES));
        }
    }
    for (name, amount) in entries(&status["allocatedResources"]) {
        let (at, before) = (path.child("allocatedResources"), errors.len());
        validate_resource(name, &at, &mut errors);
        if errors.len() == before {
            validate_size(amount, &at.key(name), &mut errors);
        }
    }
    errors.into_vec()
}

fn validate_resource(name: &str, path: &Path, errors: &mut Errors) {
    let before = errors.len();
    errors.rule(path, name, names::qualified_name);
    let native = !name.contains('/') || name.contains("kubernetes.io/");
    if errors.len() == before && native && name != "storage" {
        errors.push(FieldError::not_listed(path.as_str(), name, &["storage"]));
    }
}

pub(super) fn validate_size(amount: &Value, path: &Path, errors: &mut Errors) {
    let value = Quantity::from_json(amount).map_or(0, |amount| amount.value());
    if value < 0 {
        errors.invalid(path, &value.into(), "must be a valid resource quantity");
    }
}
