//! `metadata`: names, labels, annotations, owners, finalizers.

use serde_json::Value;

use super::{Errors, Path, items, same, text};
use crate::names::{self, Rule};
use crate::status::FieldError;

const NAMELESS: &str = "name or generateName is required";

/// Of all keys and values together.
const ANNOTATIONS_SIZE: usize = 256 * 1024;

/// Those that need no domain.
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];

/// For kinds with nothing to say beyond metadata.
pub(crate) fn validate_object(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate(object, old, names::dns1123_subdomain, &mut errors);
    errors.into_vec()
}

/// For custom resources, whose finalizers need no domain.
pub(crate) fn validate_custom(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate_common(object, old, names::dns1123_subdomain, &mut errors);
    errors.into_vec()
}

/// What upstream asks of every kind's metadata, beside what each asks itself.
pub(crate) fn validate_any(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    validate_common(object, old, names::path_segment, errors);
}

/// `rule` judges the name.
pub(crate) fn validate(object: &Value, old: Option<&Value>, rule: Rule, errors: &mut Errors) {
    validate_common(object, old, rule, errors);
    validate_kubernetes_finalizers(&object["metadata"], &Path::new("metadata"), errors);
}

fn validate_kubernetes_finalizers(metadata: &Value, path: &Path, errors: &mut Errors) {
    let path = path.child("finalizers");
    for (index, name) in items(&metadata["finalizers"]).iter().map(text).enumerate() {
        if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(path.index(index).as_str(), name, detail));
        }
    }
}

/// As `validate`, where of a generated name only the outcome is judged, not its base.
pub(crate) fn validate_generated(object: &Value, old: Option<&Value>, rule: Rule, errors: &mut Errors) {
    let mut found = Errors::default();
    validate(object, old, rule, &mut found);
    let kept = found.into_vec().into_iter().filter(|error| error.field != "metadata.generateName");
    kept.for_each(|error| errors.push(error));
}

/// As `validate` finds what is wrong with a new object.
pub(crate) fn validate_new(object: &Value, rule: Rule, errors: &mut Errors) {
    validate(object, None, rule, errors);
}

/// Of a new object, or of a change: upstream asks most kinds for one of the two.
pub(crate) fn validate_either(object: &Value, old: Option<&Value>, rule: Rule, errors: &mut Errors) {
    match old {
        Some(old) => validate_change(object, old, errors),
        None => validate_new(object, rule, errors),
    }
}

/// As [`validate_either`], of kinds that judge the name alone, and not what it was made of.
pub(crate) fn validate_named(object: &Value, old: Option<&Value>, rule: Rule, errors: &mut Errors) {
    let mut named = object.clone();
    if let Some(metadata) = named["metadata"].as_object_mut() {
        metadata.remove("generateName");
    }
    validate_either(&named, old, rule, errors);
}

/// What is asked of every change before the kind has its say (`validateCommonFields`).
pub(crate) fn validate_every_change(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    validate_common(object, Some(old), names::path_segment, &mut errors);
    errors.into_vec()
}

/// What is wrong with a change of `metadata`: upstream asks this beside, or instead of, what it asks of
/// new objects.
pub(crate) fn validate_change(object: &Value, old: &Value, errors: &mut Errors) {
    let (path, metadata) = (Path::new("metadata"), &object["metadata"]);
    validate_update(metadata, &old["metadata"], &path, errors);
    validate_labels(&metadata["labels"], &path.child("labels"), errors);
    validate_annotations(&metadata["annotations"], &path.child("annotations"), errors);
    validate_owners(&metadata["ownerReferences"], &path.child("ownerReferences"), errors);
    validate_kubernetes_finalizers(metadata, &path, errors);
}

/// As `validate_common` of a new object of a kind whose names follow from its spec: `judge` says what is
/// wrong with a name, or with the base of one.
pub(crate) fn validate_called(
    object: &Value,
    judge: impl Fn(&str, Part) -> Vec<String>,
    errors: &mut Errors,
) {
    let (path, metadata) = (Path::new("metadata"), &object["metadata"]);
    for (field, part) in [("generateName", Part::Base), ("name", Part::Whole)] {
        let given = text(&metadata[field]);
        match (given, part) {
            ("", Part::Base) => {}
            ("", Part::Whole) => errors.required(&path.child(field), NAMELESS),
            (given, part) => {
                for message in judge(given, part) {
                    errors.invalid(&path.child(field), &given.into(), message);
                }
            }
        }
    }
    validate_rest(metadata, &path, errors);
}

/// What of a name is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `generateName`
    Base,
    Whole,
}

/// As `validate_change`, without the rule that finalizers have a domain.
pub(crate) fn validate_common_change(object: &Value, old: &Value, errors: &mut Errors) {
    let (path, metadata) = (Path::new("metadata"), &object["metadata"]);
    validate_rest(metadata, &path, errors);
    validate_update(metadata, &old["metadata"], &path, errors);
}

/// All but the names.
fn validate_rest(metadata: &Value, path: &Path, errors: &mut Errors) {
    validate_labels(&metadata["labels"], &path.child("labels"), errors);
    validate_annotations(&metadata["annotations"], &path.child("annotations"), errors);
    validate_owners(&metadata["ownerReferences"], &path.child("ownerReferences"), errors);
    validate_finalizers(&metadata["finalizers"], &path.child("finalizers"), errors);
}

/// Without the rule that finalizers have a domain, which definitions and custom resources do not know.
pub(crate) fn validate_common(object: &Value, old: Option<&Value>, rule: Rule, errors: &mut Errors) {
    let path = Path::new("metadata");
    let metadata = &object["metadata"];
    validate_name(metadata, &path, rule, errors);
    validate_rest(metadata, &path, errors);
    if let Some(old) = old {
        validate_update(metadata, &old["metadata"], &path, errors);
    }
}

fn validate_name(metadata: &Value, path: &Path, rule: Rule, errors: &mut Errors) {
    let prefix = text(&metadata["generateName"]);
    if !prefix.is_empty() {
        for message in rule(&names::as_base(prefix)) {
            errors.invalid(&path.child("generateName"), &prefix.into(), message);
        }
    }
    match text(&metadata["name"]) {
        "" => errors.required(&path.child("name"), NAMELESS),
        name => errors.rule(&path.child("name"), name, rule),
    }
    let namespace = text(&metadata["namespace"]);
    if !namespace.is_empty() {
        errors.rule(&path.child("namespace"), namespace, names::dns1123_label);
    }
}

pub(crate) fn validate_labels(labels: &Value, path: &Path, errors: &mut Errors) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        errors.rule(path, key, names::qualified_name);
        errors.rule(path, text(value), names::label_value);
    }
}

pub(crate) fn validate_annotations(annotations: &Value, path: &Path, errors: &mut Errors) {
    for (key, _) in annotations.as_object().into_iter().flatten() {
        for message in names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path.as_str(), key.as_str(), message));
        }
    }
    validate_annotations_size(annotations, path, errors);
}

pub(crate) fn validate_annotations_size(annotations: &Value, path: &Path, errors: &mut Errors) {
    let pairs = annotations.as_object().into_iter().flatten();
    let size: usize = pairs.map(|(key, value)| key.len() + text(value).len()).sum();
    if size > ANNOTATIONS_SIZE {
        errors.too_long(path, ANNOTATIONS_SIZE);
    }
}

fn validate_owners(owners: &Value, path: &Path, errors: &mut Errors) {
    let mut controller: Option<&Value> = None;
    for (index, owner) in items(owners).iter().enumerate() {
        let at = path.index(index);
        for field in ["apiVersion", "kind", "name", "uid"] {
            if text(&owner[field]).is_empty() {
                errors.required(&at.child(field), "must not be empty");
            } else if field == "apiVersion" && !is_group_version(text(&owner[field])) {
                errors.invalid(&at.child(field), &owner[field], "must be <group>/<version> or <version>");
            }
        }
        if (text(&owner["apiVersion"]), text(&owner["kind"])) == ("v1", "Event") {
            errors.invalid(&at, owner, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner["controller"] != true {
            continue;
        }
        if let Some(first) = controller {
            let both = format!("{}/{}", text(&first["kind"]), text(&first["name"]));
            let this = format!("{}/{}", text(&owner["kind"]), text(&owner["name"]));
            let detail = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {both} and {this}"
            );
            errors.invalid(path, owners, detail);
        }
        controller = Some(owner);
    }
}

fn is_group_version(text: &str) -> bool {
    text.split('/').count() <= 2 && !text.ends_with('/')
}

fn validate_finalizers(finalizers: &Value, path: &Path, errors: &mut Errors) {
    let names: Vec<&str> = items(finalizers).iter().map(text).collect();
    for name in &names {
        errors.rule(path, name, names::qualified_name);
    }
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        errors.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

fn validate_update(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    for field in ["name", "namespace", "uid", "creationTimestamp"] {
        // The pipeline restores what a client left out.
        if !new[field].is_null() {
            errors.immutable(&path.child(field), &new[field], &old[field]);
        }
    }
    if !old["deletionTimestamp"].is_string() || same(&new["finalizers"], &old["finalizers"]) {
        return;
    }
    let known = items(&old["finalizers"]);
    let added: Vec<String> =
        items(&new["finalizers"]).iter().filter(|name| !known.contains(name)).map(Value::to_string).collect();
    if !added.is_empty() {
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.forbidden(&path.child("finalizers"), detail);
    }
}
