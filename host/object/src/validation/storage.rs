//! Volumes, claims, classes and drivers.

mod claim;
mod volume;

pub(crate) use claim::{validate_claim, validate_claim_part, validate_claim_spec};
use serde_json::Value;
pub(crate) use volume::{validate_volume, validate_volume_part};

use super::{Errors, Path, items, metadata, same, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

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
