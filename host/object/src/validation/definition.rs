//! CustomResourceDefinitions.

use serde_json::Value;

use super::{Errors, Path, client_config, items, metadata, text};
use crate::custom::names::is_accepted;
use crate::custom::structural;
use crate::names;
use crate::status::FieldError;

/// The annotation by which groups of Kubernetes itself are guarded.
const APPROVED: &str = "api-approved.kubernetes.io";

pub(crate) fn validate(definition: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(definition, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &definition["spec"]);
    let name = text(&definition["metadata"]["name"]);
    if name != format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])) {
        let at = Path::new("metadata").child("name");
        errors.invalid(&at, &definition["metadata"]["name"], "must be spec.names.plural+\".\"+spec.group");
    }
    validate_group(definition, &mut errors);
    errors.required_one_of(&path.child("scope"), &spec["scope"], &["Cluster", "Namespaced"]);
    validate_names(&spec["names"], &path.child("names"), &mut errors);
    validate_versions(spec, &path, &mut errors);
    validate_conversion(&spec["conversion"], &path.child("conversion"), &mut errors);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid(&path.child("preserveUnknownFields"), &true.into(), detail);
    }
    if let Some(old) = old {
        validate_update(definition, old, &mut errors);
    }
    errors.into_vec()
}

fn validate_group(definition: &Value, errors: &mut Errors) {
    let at = Path::new("spec").child("group");
    let group = text(&definition["spec"]["group"]);
    let found = names::dns1123_subdomain(group);
    if group.is_empty() {
        errors.required(&at, "");
    } else if !found.is_empty() {
        errors.invalid(&at, &group.into(), found.join(","));
    } else if !group.contains('.') {
        errors.invalid(&at, &group.into(), "should be a domain with at least one dot");
    }
    let guarded =
        ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}")));
    let approval = text(&definition["metadata"]["annotations"][APPROVED]);
    if guarded && approval.is_empty() {
        let at = Path::new("metadata").child("annotations").key(APPROVED);
        let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
        errors.required(&at, detail);
    }
}

fn validate_names(given: &Value, path: &Path, errors: &mut Errors) {
    for field in ["plural", "singular", "kind", "listKind"] {
        let at = path.child(field);
        let name = text(&given[field]);
        if name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        let mixed = matches!(field, "kind" | "listKind");
        let found = names::dns1035_label(&if mixed { name.to_lowercase() } else { name.to_owned() });
        if !found.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            errors.invalid(&at, &given[field], format!("{prefix}{}", found.join(",")));
        }
    }
    if !text(&given["kind"]).is_empty() && given["kind"] == given["listKind"] {
        errors.invalid(&path.child("listKind"), &given["listKind"], "kind and listKind may not be the same");
    }
    for field in ["shortNames", "categories"] {
        for (index, name) in items(&given[field]).iter().enumerate() {
            let found = names::dns1035_label(text(name));
            if !found.is_empty() {
                errors.invalid(&path.child(field).index(index), name, found.join(","));
            }
        }
    }
}

fn validate_versions(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("versions");
    let versions = items(&spec["versions"]);
    let mut seen = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let name = text(&version["name"]);
        let found = names::dns1035_label(name);
        if !found.is_empty() {
            errors.invalid(&at.index(index).child("name"), &version["name"], found.join(","));
        }
        if seen.contains(&name) {
            errors.invalid(&at, &spec["versions"], "must contain unique version names");
        }
        seen.push(name);
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid(&at, &spec["versions"], detail);
    }
    for (index, version) in versions.iter().enumerate() {
        validate_version(version, &at.index(index), errors);
    }
}

fn validate_version(version: &Value, path: &Path, errors: &mut Errors) {
    let schema_path = path.child("schema").child("openAPIV3Schema");
    let schema = &version["schema"]["openAPIV3Schema"];
    match schema.is_object() {
        false => errors.required(&schema_path, "schemas are required"),
        true => structural::validate_schema(schema, &schema_path, errors),
    }
    validate_scale(&version["subresources"]["scale"], &path.child("subresources").child("scale"), errors);
    for (index, column) in items(&version["additionalPrinterColumns"]).iter().enumerate() {
        validate_column(column, &path.child("additionalPrinterColumns").index(index), errors);
    }
    for (index, field) in items(&version["selectableFields"]).iter().enumerate() {
        let at = path.child("selectableFields").index(index).child("jsonPath");
        let place = text(&field["jsonPath"])
            .split('.')
            .skip(1)
            .try_fold(schema, |schema, name| schema["properties"].get(name));
        match place {
            _ if text(&field["jsonPath"]).is_empty() => errors.required(&at, ""),
            None => {
                errors.invalid(&at, &field["jsonPath"], "is an invalid path: does not refer to a valid field")
            }
            Some(place) if !matches!(place["type"].as_str(), Some("string" | "boolean" | "integer")) => {
                errors.invalid(&at, &field["jsonPath"], "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.");
            }
            Some(_) => {}
        }
    }
}

fn validate_scale(scale: &Value, path: &Path, errors: &mut Errors) {
    if !scale.is_object() {
        return;
    }
    let rules = [
        ("specReplicasPath", ".spec.", true),
        ("statusReplicasPath", ".status.", true),
        ("labelSelectorPath", "", false),
    ];
    for (field, prefix, required) in rules {
        let at = path.child(field);
        let given = text(&scale[field]);
        match given {
            "" if required => errors.required(&at, ""),
            "" => {}
            given if required && !given.starts_with(prefix) => {
                let under = prefix.trim_end_matches('.');
                errors.invalid(&at, &scale[field], format!("should be a json path under {under}"));
            }
            given if !given.starts_with(".spec.") && !given.starts_with(".status.") => {
                errors.invalid(&at, &scale[field], "should be a json path under either .status or .spec");
            }
            _ => {}
        }
    }
}

fn validate_column(column: &Value, path: &Path, errors: &mut Errors) {
    if text(&column["name"]).is_empty() {
        errors.required(&path.child("name"), "");
    }
    let types = ["boolean", "date", "integer", "number", "string"];
    match text(&column["type"]) {
        "" => errors.required(&path.child("type"), "must be one of boolean,date,integer,number,string"),
        name if !types.contains(&name) => {
            errors.invalid(
                &path.child("type"),
                &column["type"],
                "must be one of boolean,date,integer,number,string",
            );
        }
        _ => {}
    }
    let at = path.child("jsonPath");
    match text(&column["jsonPath"]) {
        "" => errors.required(&at, ""),
        given if !crate::custom::is_json_path(given) => {
            errors.invalid(&at, &column["jsonPath"], "is an invalid JSONPath");
        }
        _ => {}
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

fn validate_update(definition: &Value, old: &Value, errors: &mut Errors) {
    let (path, spec, before) = (Path::new("spec"), &definition["spec"], &old["spec"]);
    let names = path.child("names");
    if is_accepted(old) {
        errors.immutable(&path.child("scope"), &spec["scope"], &before["scope"]);
        errors.immutable(&names.child("kind"), &spec["names"]["kind"], &before["names"]["kind"]);
    }
    errors.immutable(&path.child("group"), &spec["group"], &before["group"]);
    errors.immutable(&names.child("plural"), &spec["names"]["plural"], &before["names"]["plural"]);
    let known = |name: &Value| items(&spec["versions"]).iter().any(|version| version["name"] == *name);
    let stored = items(&definition["status"]["storedVersions"]);
    for (index, version) in stored.iter().enumerate().filter(|(_, version)| !known(version)) {
        let at = Path::new("status").child("storedVersions").index(index);
        errors.invalid(&at, version, "missing from spec.versions; please migrate the stored objects and update status.storedVersions first");
    }
}
