use serde_json::Value;

use super::{Errors, Path, metadata, text};
use crate::names;
use crate::status::FieldError;

const MOST_CHARACTERS: usize = 128;
const LONGEST_NOTE: usize = 1024;

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

/// What reporters of `events.k8s.io` must say beside; updates of what older ones wrote are let be.
pub(crate) fn validate_new(event: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    for error in
        validate(&(crate::conversion::EVENT.store)(event), old.map(crate::conversion::EVENT.store).as_ref())
    {
        errors.push(error);
    }
    if old.is_some() {
        return errors.into_vec();
    }
    if text(&event["eventTime"]).is_empty() {
        errors.required(&Path::new("eventTime"), "");
    }
    if !["Normal", "Warning"].contains(&text(&event["type"])) {
        errors.invalid(
            &Path::new("type"),
            &"".into(),
            format!("has invalid value: {}", text(&event["type"])),
        );
    }
    match text(&event["reportingController"]) {
        "" => errors.required(&Path::new("reportingController"), ""),
        name => errors.rule(&Path::new("reportingController"), name, names::qualified_name),
    }
    for field in ["reportingInstance", "action", "reason"] {
        let at = Path::new(field);
        match text(&event[field]).len() {
            0 => errors.required(&at, ""),
            1..=MOST_CHARACTERS => {}
            _ => errors.invalid(&at, &"".into(), format!("can have at most {MOST_CHARACTERS} characters")),
        }
    }
    if text(&event["note"]).len() > LONGEST_NOTE {
        errors.invalid(
            &Path::new("message"),
            &"".into(),
            format!("can have at most {LONGEST_NOTE} characters"),
        );
    }
    errors.into_vec()
}
