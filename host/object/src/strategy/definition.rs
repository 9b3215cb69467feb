//! CustomResourceDefinitions.

use serde_json::{Value, json};

use super::{PLAIN, default_to, each, ensure, part, restore_status};
use crate::custom::names::set_condition;
use crate::kind::Strategy;
use crate::validation;

/// Holds a definition until its instances are gone.
pub const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(crate) const STRATEGY: Strategy = Strategy {
    default: default_definition,
    prepare_create: |definition| {
        if let Value::Object(fields) = definition {
            let empty = json!({ "conditions": [], "acceptedNames": { "plural": "", "kind": "" }, "storedVersions": [] });
            fields.insert("status".into(), empty);
        }
        remember_storage(definition);
    },
    prepare_update: |new, old| {
        restore_status(new, old);
        remember_storage(new);
    },
    begin_delete: Some(begin_cleanup),
    validate: validation::definition::validate,
    validate_part: Some(validation::definition::validate_status),
    ..PLAIN
};

fn default_definition(definition: &mut Value) {
    let Some(spec) = ensure(definition, "spec") else { return };
    // `v1` knows only one value, which is not shown.
    if spec["preserveUnknownFields"] == false {
        super::remove(spec, "preserveUnknownFields");
    }
    if let Some(names) = ensure(spec, "names") {
        let kind = names["kind"].as_str().unwrap_or_default().to_owned();
        if !kind.is_empty() {
            default_to(names, "singular", kind.to_lowercase());
            default_to(names, "listKind", format!("{kind}List"));
        }
    }
    if let Some(conversion) = ensure(spec, "conversion") {
        default_to(conversion, "strategy", "None");
        if let Some(service) = part(conversion, "webhook")
            .and_then(|webhook| part(webhook, "clientConfig"))
            .and_then(|config| part(config, "service"))
        {
            default_to(service, "port", 443);
        }
    }
    for version in each(spec, "versions") {
        if version["served"].is_null() {
            version["served"] = false.into();
        }
        if version["storage"].is_null() {
            version["storage"] = false.into();
        }
    }
    let stored = &definition["status"]["storedVersions"];
    if stored.as_array().is_none_or(Vec::is_empty) && storage_version(definition).is_some() {
        remember_storage(definition);
    }
}

fn storage_version(definition: &Value) -> Option<Value> {
    let versions = definition["spec"]["versions"].as_array()?;
    Some(versions.iter().find(|version| version["storage"] == true)?["name"].clone())
}

/// Every version that instances may still be stored under is remembered.
fn remember_storage(definition: &mut Value) {
    let storage = storage_version(definition);
    let Some(status) = ensure(definition, "status") else { return };
    if !status["storedVersions"].is_array() {
        status["storedVersions"] = json!([]);
    }
    if let (Some(stored), Some(storage)) = (status["storedVersions"].as_array_mut(), storage)
        && !stored.contains(&storage)
    {
        stored.push(storage);
    }
}

/// The first delete only begins the end: the instances go first. It asks nothing of dependents, and counts
/// as no change of the definition.
fn begin_cleanup(definition: &mut Value, now: &str) {
    definition["metadata"]["deletionTimestamp"] = now.into();
    let mut finalizers = definition["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|name| name == CLEANUP_FINALIZER) {
        finalizers.push(CLEANUP_FINALIZER.into());
    }
    definition["metadata"]["finalizers"] = finalizers.into();
    let Some(status) = ensure(definition, "status") else { return };
    set_condition(
        status,
        "Terminating",
        "True",
        "InstanceDeletionPending",
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        now,
    );
}
