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
