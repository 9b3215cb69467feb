use serde_json::{Value, json};

use super::{PLAIN, default_to, ensure, restore, restore_status};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    is_namespace: true,
    default: |namespace| {
        set_name_label(namespace);
        if let Some(status) = ensure(namespace, "status") {
            default_to(status, "phase", "Active");
        }
    },
    prepare_create,
    prepare_update: |new, old| {
        restore(new, old, "spec");
        restore_status(new, old);
    },
    validate: validation::namespace::validate,
    validate_part: Some(validation::namespace::validate_part),
    ..PLAIN
};

/// Selectors pick namespaces by this label, so it cannot be left out or forged.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Holds the namespace until the namespace controller has emptied it.
const FINALIZER: &str = "kubernetes";

fn set_name_label(namespace: &mut Value) {
    let Some(metadata) = ensure(namespace, "metadata") else { return };
    let Some(name) = metadata["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned) else {
        return;
    };
    if let Some(labels) = ensure(metadata, "labels") {
        labels[NAME_LABEL] = name.into();
    }
}

fn prepare_create(namespace: &mut Value) {
    namespace["status"] = json!({ "phase": "Active" });
    if let Some(spec) = ensure(namespace, "spec") {
        let mut finalizers = spec["finalizers"].as_array().cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            finalizers.push(FINALIZER.into());
        }
        spec["finalizers"] = finalizers.into();
    }
}
