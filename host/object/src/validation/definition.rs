//! CustomResourceDefinitions.

use serde_json::Value;

use super::{Errors, Path, client_config, items, metadata, same, text};
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
    let wanted = format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"]));
    if !name.is_empty() && name != wanted {
        let at = Path::new("metadata").child("name");
        errors.invalid(&at, &definition["metadata"]["name"], "must be spec.names.plural+\".\"+spec.group");
    }
    validate_group(definition, &mut errors);
    errors.required_one_of(&path.child("scope"), &spec["scope"], &["Cluster", "Namespaced"]);
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
        for (field, _) in PARTS.iter().filter(|(field, _)| !shared(field)) {
            validate_part(field, version, &at.child(field), errors);
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
        errors.push(FieldError::invalid(at.as_str(), spec["versions"].clone(), detail));
    }
    if let Some(first) = versions.first() {
        validate_first_name(&first["name"], &path.child("version"), errors);
    }
    validate_names(&spec["names"], &path.child("names"), errors);
    for (field, named) in PARTS.iter().filter(|(field, _)| !versions.is_empty() && shared(field)) {
        validate_part(field, &versions[0], &path.child(named), errors);
    }
}

fn has_schema(version: &Value) -> bool {
    version["schema"]["openAPIV3Schema"].is_object()
}

fn validate_version_name(name: &Value, path: &Path, errors: &mut Errors) {
    let found = names::dns1035_label(text(name));
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

fn validate_part(field: &str, version: &Value, path: &Path, errors: &mut Errors) {
    let part = &version[field];
    match field {
        "schema" if has_schema(version) => {
            structural::validate_schema(&part["openAPIV3Schema"], &path.child("openAPIV3Schema"), errors);
        }
        "subresources" => validate_scale(&part["scale"], &path.child("scale"), errors),
        "additionalPrinterColumns" => {
            for (index, column) in items(part).iter().enumerate() {
                validate_column(column, &path.index(index), errors);
            }
        }
        "selectableFields" => validate_selectable(version, path, errors),
        _ => {}
    }
}

fn validate_selectable(version: &Value, path: &Path, errors: &mut Errors) {
    let schema = &version["schema"]["openAPIV3Schema"];
    for (index, field) in items(&version["selectableFields"]).iter().enumerate() {
        let at = path.index(index).child("jsonPath");
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
    let at = path.child("JSONPath");
    match text(&column["jsonPath"]) {
        "" => errors.required(&at, ""),
        given if !given.starts_with('.') => {
            errors.invalid(&at, &column["jsonPath"], "must be a simple json path starting with .");
        }
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
