//! APIServices.

use serde_json::{Value, json};

use super::{PLAIN, default_to, part, restore_metadata, restore_status};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    default: |service| {
        if let Some(place) = part(service, "spec").and_then(|spec| part(spec, "service")) {
            default_to(place, "port", 443);
        }
    },
    prepare_create: begin,
    reset_by_status: &["spec", "metadata"],
    prepare_update: restore_status,
    prepare_part: |new, old, _, _| restore_metadata(new, old),
    validate: validation::registration::validate_service,
    ..PLAIN
};

/// What is served here is available at once.
fn begin(service: &mut Value) {
    let local = !service["spec"]["service"].is_object();
    let since = service["metadata"]["creationTimestamp"].clone();
    let Value::Object(fields) = service else { return };
    let status = match local {
        false => json!({}),
        true => json!({ "conditions": [{
            "type": "Available", "status": "True", "lastTransitionTime": since,
            "reason": "Local", "message": "Local APIServices are always available",
        }] }),
    };
    fields.insert("status".into(), status);
}
