//! CustomResourceDefinitions.

mod names;
mod parts;

use names::{validate_approval, validate_forms, validate_group, validate_names};
use parts::{has_schema, validate_part};
use serde_json::Value;

use super::{Errors, Path, client_config, items, metadata, same, text};
use crate::custom::names::is_accepted;
use crate::names::{as_base, dns1035_label, dns1123_subdomain};
use crate::status::FieldError;

/// What a definition is called.
const NAME: &str = "must be spec.names.plural+\".\"+spec.group";

pub(crate) fn validate(definition: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, spec) = (Path::new("spec"), &definition["spec"]);
    match old {
        None => {
            let wanted = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
            let judge = |name: &str, part: metadata::Part| {
                let mut found = match part {
                    metadata::Part::Base => dns1123_subdomain(&as_base(name)),
                    metadata::Part::Whole => dns1123_subdomain(name),
                };
                found.extend((name != wanted).then(|| NAME.to_owned()));
                found
            };
            metadata::validate_called(definition, judge, &mut errors);
        }
        Some(old) => metadata::validate_common_change(definition, old, &mut errors),
    }
    validate_group(spec, &mut errors);
    errors.required_one_of(&path.child("scope"), &spec["scope"], &["Cluster", "Namespaced"]);
    validate_versions(spec, &path, &mut errors);
    validate_conversion(&spec["conversion"], &path.child("conversion"), &mut errors);
    if let Some(old) = old {
        validate_update(spec, old, &mut errors);
    }
    validate_names_of_status(definition, &mut errors);
    validate_stored_versions(definition, &mut errors);
    validate_approval(definition, old, &mut errors);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&path.child("preserveUnknownFields"), &true.into(), detail);
    }
    errors.into_vec()
}

/// What is wrong with a write of `status`.
pub(crate) fn validate_status(definition: &Value, old: &Value, _: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common_change(definition, old, &mut errors);
    validate_names_of_status(definition, &mut errors);
    errors.into_vec()
}

fn validate_names_of_status(definition: &Value, errors: &mut Errors) {
    let path = Path::new("status").child("acceptedNames");
    validate_forms(&definition["status"]["acceptedNames"], &path, errors);
}

/// Every version that instances may be stored as is there, and the storage version among them.
fn validate_stored_versions(definition: &Value, errors: &mut Errors) {
    let path = Path::new("status").child("storedVersions");
    let stored = items(&definition["status"]["storedVersions"]);
    if stored.is_empty() {
        errors.shown(&path, &Value::Null, "must have at least one stored version");
        return;
    }
    let mut left: Vec<&Value> = stored.iter().collect();
    for version in items(&definition["spec"]["versions"]) {
        let known = left.contains(&&version["name"]);
        if version["storage"] == true && !known {
            let detail = format!("must have the storage version {}", text(&version["name"]));
            errors.shown(&path, &definition["status"]["storedVersions"], &detail);
        }
        left.retain(|name| **name != version["name"]);
    }
    for (index, name) in stored.iter().enumerate().filter(|(_, name)| left.contains(name)) {
        let version = text(name);
        let detail = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
        );
        errors.invalid(&path.index(index), name, detail);
    }
}

/// Parts of a version that upstream keeps beside the versions when all of them have the same, and names there.
const PARTS: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

fn validate_versions(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("versions");
    let versions = items(&spec["versions"]);
    let shared = |field: &str| versions.iter().all(|version| same(&version[field], &versions[0][field]));
    for (index, _) in versions.iter().enumerate().filter(|(_, version)| !has_schema(version)) {
        errors.required(&at.index(index).child("schema").child("openAPIV3Schema"), "");
    }
    for (index, version) in versions.iter().enumerate() {
        let at = at.index(index);
        validate_version_name(&version["name"], &at.child("name"), errors);
        let has_status = version["subresources"]["status"].is_object();
        for (field, _) in PARTS.iter().filter(|(field, _)| !shared(field)) {
            validate_part(field, version, has_status, &at.child(field), errors);
        }
    }
    let name = |version: &Value| text(&version["name"]).to_owned();
    if versions
        .iter()
        .enumerate()
        .any(|(at, version)| versions[..at].iter().any(|other| name(other) == name(version)))
    {
        errors.invalid(&at, &spec["versions"], "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.shown(&at, &spec["versions"], detail);
    }
    if let Some(first) = versions.first() {
        validate_first_name(&first["name"], &path.child("version"), errors);
    }
    validate_names(&spec["names"], &path.child("names"), errors);
    let has_status = versions.iter().any(|version| version["subresources"]["status"].is_object());
    for (field, named) in PARTS.iter().filter(|(field, _)| !versions.is_empty() && shared(field)) {
        validate_part(field, &versions[0], has_status, &path.child(named), errors);
    }
}

fn validate_version_name(name: &Value, path: &Path, errors: &mut Errors) {
    let found = dns1035_label(text(name));
    if !found.is_empty() {
        errors.invalid(path, name, found.join(","));
    }
}

/// The first version's name stands beside the versions, too.
fn validate_first_name(name: &Value, path: &Path, errors: &mut Errors) {
    if !text(name).is_empty() {
        validate_version_name(name, path, errors);
    }
}

fn validate_conversion(conversion: &Value, path: &Path, errors: &mut Errors) {
    if conversion.is_null() {
        return;
    }
    let webhook = &conversion["webhook"];
    errors.required_one_of(&path.child("strategy"), &conversion["strategy"], &["None", "Webhook"]);
    if text(&conversion["strategy"]) != "Webhook" {
        if !webhook.is_null() {
            errors.forbidden(
                &path.child("webhookClientConfig"),
                "should not be set when strategy is not set to Webhook",
            );
        }
        return;
    }
    // Upstream checks the former form of the object, and names its fields.
    match webhook["clientConfig"].is_object() {
        false => {
            let detail = "required when strategy is set to Webhook";
            errors.required(&path.child("webhookClientConfig"), detail);
        }
        true => {
            client_config::validate(&webhook["clientConfig"], &path.child("webhookClientConfig"), errors);
        }
    }
    let at = path.child("conversionReviewVersions");
    let known = ["v1", "v1beta1"];
    client_config::validate_versions(&webhook["conversionReviewVersions"], &known, "", &at, errors);
}

fn validate_update(spec: &Value, old: &Value, errors: &mut Errors) {
    let (path, before) = (Path::new("spec"), &old["spec"]);
    let names = path.child("names");
    if is_accepted(old) {
        errors.immutable(&path.child("scope"), &spec["scope"], &before["scope"]);
        errors.immutable(&names.child("kind"), &spec["names"]["kind"], &before["names"]["kind"]);
    }
    errors.immutable(&path.child("group"), &spec["group"], &before["group"]);
    errors.immutable(&names.child("plural"), &spec["names"]["plural"], &before["names"]["plural"]);
}
