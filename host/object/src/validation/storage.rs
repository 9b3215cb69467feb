//! Volumes, claims, classes and drivers.

use serde_json::Value;

use super::{Errors, Path, items, metadata, same, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// Fields of a volume's spec that are not where its data is.
const NO_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

pub(crate) fn validate_volume(volume: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(volume, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &volume["spec"]);
    validate_modes(&spec["accessModes"], &path.child("accessModes"), &mut errors);
    match spec["capacity"].as_object().filter(|capacity| !capacity.is_empty()) {
        None => errors.required(&path.child("capacity"), ""),
        Some(capacity) if capacity.len() > 1 || !capacity.contains_key("storage") => {
            let at = path.child("capacity");
            errors.push(FieldError::not_supported(at.as_str(), spec["capacity"].clone(), &["storage"]));
        }
        Some(capacity) => {
            validate_size(&capacity["storage"], &path.child("capacity").key("storage"), &mut errors)
        }
    }
    let policies = ["Delete", "Recycle", "Retain"];
    let field = "persistentVolumeReclaimPolicy";
    errors.optional_one_of(&path.child(field), &spec[field], &policies);
    match sources(spec).as_slice() {
        [] => errors.required(&path, "must specify a volume type"),
        [only] => {
            if only == "local" && spec["nodeAffinity"]["required"].is_null() {
                errors.required(&path.child("nodeAffinity"), "Local volume requires node affinity");
            }
        }
        [_, rest @ ..] => {
            for extra in rest {
                errors.forbidden(&path.child(extra), "may not specify more than 1 volume type");
            }
        }
    }
    validate_class_name(spec, &path, &mut errors);
    errors.optional_one_of(&path.child("volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
    if let Some(old) = old {
        let source = |spec: &Value| {
            let fields = spec.as_object().cloned().unwrap_or_default();
            Value::Object(
                fields.into_iter().filter(|(name, _)| !NO_SOURCE.contains(&name.as_str())).collect(),
            )
        };
        if !same(&source(spec), &source(&old["spec"])) {
            let at = path.child("persistentvolumesource");
            errors.forbidden(&at, "spec.persistentvolumesource is immutable after creation");
        }
        errors.immutable(&path.child("volumeMode"), &spec["volumeMode"], &old["spec"]["volumeMode"]);
    }
    errors.into_vec()
}

fn sources(spec: &Value) -> Vec<String> {
    let fields = spec.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| value.is_object() && !NO_SOURCE.contains(&name.as_str()))
        .map(|(name, _)| name.clone())
        .collect()
}

fn validate_modes(modes: &Value, path: &Path, errors: &mut Errors) {
    if items(modes).is_empty() {
        errors.required(path, "at least 1 access mode is required");
    }
    for mode in items(modes) {
        errors.one_of(path, mode, &MODES);
    }
    if items(modes).len() > 1 && items(modes).iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

fn validate_size(size: &Value, path: &Path, errors: &mut Errors) {
    if Quantity::from_json(size).is_ok_and(|size| size <= Quantity::ZERO) {
        errors.invalid(path, size, "must be greater than zero");
    }
}

fn validate_class_name(spec: &Value, path: &Path, errors: &mut Errors) {
    let class = text(&spec["storageClassName"]);
    if !class.is_empty() {
        errors.rule(&path.child("storageClassName"), class, names::dns1123_subdomain);
    }
}

pub(crate) fn validate_claim(claim: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(claim, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &claim["spec"]);
    validate_modes(&spec["accessModes"], &path.child("accessModes"), &mut errors);
    let at = path.child("resources").key("storage");
    match &spec["resources"]["requests"]["storage"] {
        Value::Null => errors.required(&at, ""),
        size => validate_size(size, &at, &mut errors),
    }
    validate_class_name(spec, &path, &mut errors);
    errors.optional_one_of(&path.child("volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
    if let Some(old) = old {
        validate_claim_update(claim, old, &mut errors);
    }
    errors.into_vec()
}

/// A claim may get its volume and a missing class, and, once bound, more room.
fn validate_claim_update(claim: &Value, old: &Value, errors: &mut Errors) {
    const IMMUTABLE: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    let (path, spec, before) = (Path::new("spec"), &claim["spec"], &old["spec"]);
    let Some(mut allowed) = before.as_object().cloned() else { return };
    let mut allow = |field: &str| drop(allowed.insert(field.into(), spec[field].clone()));
    if text(&before["volumeName"]).is_empty() {
        allow("volumeName");
    }
    if before["storageClassName"].is_null() {
        allow("storageClassName");
    }
    let bound = old["status"]["phase"] == "Bound";
    if bound && same(&spec["resources"]["limits"], &before["resources"]["limits"]) {
        allow("resources");
    }
    if bound {
        allow("volumeAttributesClassName");
    }
    let allowed = Value::Object(allowed);
    if !same(spec, &allowed) {
        errors.forbidden(&path, IMMUTABLE);
    }
    let at = path.child("resources").child("requests").child("storage");
    let size = |spec: &Value| Quantity::from_json(&spec["resources"]["requests"]["storage"]).ok();
    let capacity = Quantity::from_json(&old["status"]["capacity"]["storage"]).ok();
    if let (Some(new), Some(before)) = (size(spec), size(before))
        && bound
        && new < before
        && capacity.is_none_or(|capacity| new <= capacity)
    {
        errors.forbidden(&at, "field can not be less than status.capacity");
    }
}

pub(crate) fn validate_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    validate_provisioner(class, "provisioner", &mut errors);
    errors.one_of(&Path::new("reclaimPolicy"), &class["reclaimPolicy"], &["Delete", "Retain"]);
    let modes = ["Immediate", "WaitForFirstConsumer"];
    errors.required_one_of(&Path::new("volumeBindingMode"), &class["volumeBindingMode"], &modes);
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            if !same(&class[field], &old[field]) {
                errors.forbidden(&Path::new(field), format!("updates to {field} are forbidden."));
            }
        }
        let field = "volumeBindingMode";
        errors.immutable(&Path::new(field), &class[field], &old[field]);
    }
    errors.into_vec()
}

fn validate_provisioner(class: &Value, field: &str, errors: &mut Errors) {
    let path = Path::new(field);
    match text(&class[field]) {
        "" => errors.required(&path, ""),
        name => errors.rule(&path, &name.to_lowercase(), names::qualified_name),
    }
}

pub(crate) fn validate_attributes_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    validate_provisioner(class, "driverName", &mut errors);
    if super::is_empty(&class["parameters"]) {
        errors.required(&Path::new("parameters"), "must contain at least one key/value pair");
    }
    if let Some(old) = old {
        for field in ["driverName", "parameters"] {
            if !same(&class[field], &old[field]) {
                errors.forbidden(&Path::new(field), format!("updates to {field} are forbidden."));
            }
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_driver(driver: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(driver, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &driver["spec"]);
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    errors.optional_one_of(&path.child("fsGroupPolicy"), &spec["fsGroupPolicy"], &policies);
    for mode in items(&spec["volumeLifecycleModes"]) {
        errors.one_of(&path.child("volumeLifecycleModes"), mode, &["Ephemeral", "Persistent"]);
    }
    if let Some(old) = old {
        for field in ["attachRequired", "volumeLifecycleModes"] {
            errors.immutable(&path.child(field), &spec[field], &old["spec"][field]);
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_node(node: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(node, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec").child("drivers");
    let mut seen = Vec::new();
    for (index, driver) in items(&node["spec"]["drivers"]).iter().enumerate() {
        let at = path.index(index);
        match text(&driver["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name if seen.contains(&name) => errors.duplicate(&at.child("name"), name),
            name => {
                errors.rule(&at.child("name"), &name.to_lowercase(), names::dns1123_subdomain);
                seen.push(name);
            }
        }
        if text(&driver["nodeID"]).is_empty() {
            errors.required(&at.child("nodeID"), "");
        }
        errors.not_negative(&at.child("allocatable").child("count"), &driver["allocatable"]["count"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_capacity(capacity: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(capacity, old, names::dns1123_subdomain, &mut errors);
    let class = Path::new("storageClassName");
    match text(&capacity["storageClassName"]) {
        "" => errors.required(&class, ""),
        name => errors.rule(&class, name, names::dns1123_subdomain),
    }
    for field in ["capacity", "maximumVolumeSize"] {
        if Quantity::from_json(&capacity[field]).is_ok_and(|size| size < Quantity::ZERO) {
            errors.invalid(&Path::new(field), &capacity[field], super::NOT_NEGATIVE);
        }
    }
    if let Some(old) = old {
        for field in ["nodeTopology", "storageClassName"] {
            errors.immutable(&Path::new(field), &capacity[field], &old[field]);
        }
    }
    errors.into_vec()
}

pub(crate) fn validate_attachment(attachment: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(attachment, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &attachment["spec"]);
    match text(&spec["attacher"]) {
        "" => errors.required(&path.child("attacher"), ""),
        name => errors.rule(&path.child("attacher"), &name.to_lowercase(), names::qualified_name),
    }
    let source = &spec["source"];
    match (source["persistentVolumeName"].is_null(), source["inlineVolumeSpec"].is_null()) {
        (true, true) => errors.required(
            &path.child("source"),
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (false, false) => errors.forbidden(
            &path.child("source"),
            "must specify exactly one of inlineVolumeSpec and persistentVolumeName",
        ),
        (true, false) | (false, true) => {}
    }
    if let Some(old) = old
        && !same(spec, &old["spec"])
    {
        errors.invalid(&path, spec, super::IMMUTABLE);
    }
    errors.into_vec()
}
