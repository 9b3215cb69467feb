use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate(namespace: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(namespace, old, names::dns1123_label, &mut errors);
    for (index, finalizer) in items(&namespace["spec"]["finalizers"]).iter().enumerate() {
        let path = Path::new("spec").child("finalizers").index(index);
        errors.rule(&path, text(finalizer), names::qualified_name);
    }
    errors.into_vec()
}

/// A write of the status: the phase says whether the namespace is going.
pub(crate) fn validate_part(namespace: &Value, old: &Value, _: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_change(namespace, old, &mut errors);
    let phase = &namespace["status"]["phase"];
    // Upstream calls it as Go does.
    let at = Path::new("status").child("Phase");
    let (wanted, when) = match namespace["metadata"]["deletionTimestamp"].is_string() {
        false => ("Active", "is empty"),
        true => ("Terminating", "is not empty"),
    };
    if *phase != wanted {
        errors.invalid(&at, phase, format!("may only be '{wanted}' if `deletionTimestamp` {when}"));
    }
    errors.into_vec()
}
