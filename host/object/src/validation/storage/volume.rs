//! PersistentVolumes.

use serde_json::{Map, Value};

use super::super::amount::{self, entries};
use super::super::pod::volume::{validate_source, vendors};
use super::super::{Errors, IMMUTABLE, Path, is_empty, items, metadata, pod, same, text};
use super::claim::{validate_class_name, validate_modes, validate_size};
use crate::names;
use crate::status::FieldError;

const POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
const LONGEST_ISCSI: usize = 64;

pub(crate) fn validate_volume(volume: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(volume, old, names::dns1123_subdomain, &mut errors);
    validate_spec(volume, &Path::new("spec"), &mut errors);
    if let Some(old) = old {
        validate_update(volume, old, &mut errors);
    }
    errors.into_vec()
}

fn validate_spec(volume: &Value, path: &Path, errors: &mut Errors) {
    let spec = &volume["spec"];
    if items(&spec["accessModes"]).is_empty() {
        errors.required(&path.child("accessModes"), "");
    }
    validate_modes(&spec["accessModes"], &path.child("accessModes"), errors);
    validate_capacity(&spec["capacity"], &path.child("capacity"), errors);
    let policy = "persistentVolumeReclaimPolicy";
    errors.optional_one_of(&path.child(policy), &spec[policy], &POLICIES);
    let (affinity, at) = (&spec["nodeAffinity"], path.at(&["nodeAffinity", "required"]));
    if affinity["required"].is_object() {
        pod::validate_node_selector(&affinity["required"], &at, errors);
    } else if affinity.is_object() {
        errors.required(&at, "must specify required node constraints");
    }
    validate_source(spec, &vendors::PERSISTENT, path, errors);
    validate_beside_source(volume, path, errors);
    validate_class_name(spec, "storageClassName", path, errors);
    errors.given_one_of(&path.child("volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
    let attributes = "volumeAttributesClassName";
    match spec[attributes].as_str() {
        None => return,
        Some("") => errors.required(&path.child(attributes), "an empty string is disallowed"),
        Some(_) => validate_class_name(spec, attributes, path, errors),
    }
    if !spec["csi"].is_object() {
        errors.required(&path.child("csi"), "has to be specified when using volumeAttributesClassName");
    }
}

fn validate_capacity(capacity: &Value, path: &Path, errors: &mut Errors) {
    if is_empty(capacity) {
        errors.required(path, "");
    }
    if capacity["storage"].is_null() || capacity.as_object().is_some_and(|capacity| capacity.len() > 1) {
        errors.push(FieldError::not_listed(path.as_str(), capacity.clone(), &["storage"]));
    }
    for (name, amount) in entries(capacity) {
        validate_size(amount, &path.key(name), errors);
        amount::validate_positive(amount, &path.key(name), errors);
    }
}

fn validate_beside_source(volume: &Value, path: &Path, errors: &mut Errors) {
    let spec = &volume["spec"];
    let iscsi = &spec["iscsi"];
    let portal = text(&iscsi["targetPortal"]);
    let name = text(&volume["metadata"]["name"]);
    if iscsi["initiatorName"].is_string() && name.len() + 1 + portal.len() > LONGEST_ISCSI {
        let at = path.at(&["iscsi", "targetportal"]);
        errors.invalid(&at, &portal.into(), vendors::LONG_ISCSI_NAME);
    }
    if spec["local"].is_object() && !spec["nodeAffinity"].is_object() {
        errors.required(&path.child("nodeAffinity"), "Local volume requires node affinity");
    }
    let root = text(&spec["hostPath"]["path"]);
    let is_root = !root.is_empty() && root.chars().all(|c| c == '/');
    if is_root && spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        let at = path.child("persistentVolumeReclaimPolicy");
        errors.forbidden(&at, "may not be 'recycle' for a hostPath mount of '/'");
    }
}

/// Where the data is.
fn source_of(spec: &Value) -> Value {
    let fields = vendors::PERSISTENT.iter().filter_map(|(field, ..)| Some((field, spec.get(*field)?)));
    Value::Object(fields.map(|(field, source)| (field.to_string(), source.clone())).collect::<Map<_, _>>())
}

fn validate_update(volume: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (&volume["spec"], &old["spec"]);
    let (mut new_source, old_source) = (source_of(spec), source_of(before));
    // The secret for making it larger may come later.
    let secret = "controllerExpandSecretRef";
    if old_source["csi"].is_object() && old_source["csi"][secret].is_null() && new_source["csi"].is_object() {
        new_source["csi"][secret] = Value::Null;
    }
    if !same(&new_source, &old_source) {
        let changed = super::super::changed_fields(&Path::new("spec"), &new_source, &old_source);
        let detail = format!("spec.persistentvolumesource is immutable after creation\n{changed}");
        errors.forbidden(&Path::new("spec").child("persistentvolumesource"), detail);
    }
    errors.immutable(&Path::new("volumeMode"), &spec["volumeMode"], &before["volumeMode"]);
    let (affinity, at) = (&spec["nodeAffinity"], Path::new("nodeAffinity"));
    if !before["nodeAffinity"].is_null()
        && !same(&with_old_labels(affinity, &before["nodeAffinity"]), &before["nodeAffinity"])
    {
        let detail = format!("{IMMUTABLE}, except for updating from beta label to GA");
        errors.shown(&at, &pod::go_volume_affinity(affinity), &detail);
    }
    let attributes = "volumeAttributesClassName";
    if !before[attributes].is_null() && spec[attributes].is_null() {
        let at = Path::new("spec").child(attributes);
        errors.forbidden(&at, "update from non-nil value to nil is forbidden");
    }
}

/// Labels by their names of today.
const RENAMED: [(&str, &str); 5] = [
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
];

/// An affinity with the labels' old names where it has the new ones of them. Upstream's table gives an
/// empty name to those that it does not know; that it is empty is told beside this.
fn with_old_labels(affinity: &Value, old: &Value) -> Value {
    let mut renamed = affinity.clone();
    let terms = renamed["required"]["nodeSelectorTerms"].as_array_mut().into_iter().flatten();
    for (term, old) in terms.zip(items(&old["required"]["nodeSelectorTerms"])) {
        for field in ["matchExpressions", "matchFields"] {
            let expressions = term[field].as_array_mut().into_iter().flatten();
            for (expression, old) in expressions.zip(items(&old[field])) {
                let today =
                    RENAMED.iter().find(|(before, _)| old["key"] == *before).map_or("", |(_, now)| now);
                if text(&expression["key"]) == today {
                    expression["key"] = old["key"].clone();
                }
            }
        }
    }
    renamed
}

/// A write of the status.
pub(crate) fn validate_volume_part(volume: &Value, old: &Value, _: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_change(volume, old, &mut errors);
    errors.into_vec()
}
