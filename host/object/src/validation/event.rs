use serde_json::Value;

use super::{Errors, Path, metadata, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate(event: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(event, old, names::dns1123_subdomain, &mut errors);
    let about = text(&event["involvedObject"]["namespace"]);
    let namespace = text(&event["metadata"]["namespace"]);
    // Events about cluster-scoped objects live in the default namespace (nodes' agents use kube-system too).
    let expected =
        if about.is_empty() { ["default", "kube-system"].contains(&namespace) } else { about == namespace };
    if !expected {
        let path = Path::new("involvedObject").child("namespace");
        errors.invalid(&path, &about.into(), "does not match event.namespace");
    }
    errors.into_vec()
}
