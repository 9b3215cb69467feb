//! Events, of both groups (`pkg/apis/core/validation/events.go`).

use serde_json::Value;

use super::{Errors, Path, is_empty, metadata, same, text};
use crate::conversion::EVENT;
use crate::names;
use crate::status::FieldError;

const MOST_CHARACTERS: usize = 128;
const LONGEST_NOTE: usize = 1024;
const OTHER_NAMESPACE: &str = "does not match event.namespace";
/// What a series may not change, in the words of the first group.
const FIXED: [&str; 13] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
];

/// Of these, what shows as null when there is nothing.
const NULLABLE: [&str; 4] = ["firstTimestamp", "lastTimestamp", "eventTime", "related"];

pub(crate) fn validate(event: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if old.is_some() {
        metadata::validate_any(event, old, &mut errors);
    }
    validate_any(event, "reportingComponent", &mut errors);
    if errors.is_empty() {
        metadata::validate_any(event, old, &mut errors);
    }
    errors.into_vec()
}

/// What every event says; those with a time of their own say who tells them.
fn validate_any(event: &Value, reporter: &str, errors: &mut Errors) {
    let about = text(&event["involvedObject"]["namespace"]);
    let namespace = text(&event["metadata"]["namespace"]);
    let new = !is_empty(&event["eventTime"]);
    let expected = match (new, about) {
        (false, "") => matches!(namespace, "" | "default"),
        (false, about) => about == namespace,
        (true, about) => !about.is_empty() || matches!(namespace, "default" | "kube-system"),
    };
    if !expected {
        let path = Path::new("involvedObject").child("namespace");
        errors.invalid(&path, &about.into(), OTHER_NAMESPACE);
    }
    if !new {
        return;
    }
    let at = Path::new(reporter);
    if is_empty(&event["reportingComponent"]) {
        errors.required(&at, "");
    }
    errors.rule(&at, text(&event["reportingComponent"]), names::qualified_name);
    for field in ["reportingInstance", "action", "reason"] {
        let at = Path::new(field);
        match text(&event[field]).len() {
            0 => errors.required(&at, ""),
            1..=MOST_CHARACTERS => {}
            _ => errors.invalid(&at, &"".into(), format!("can have at most {MOST_CHARACTERS} characters")),
        }
    }
    if text(&event["message"]).len() > LONGEST_NOTE {
        let detail = format!("can have at most {LONGEST_NOTE} characters");
        errors.invalid(&Path::new("message"), &"".into(), detail);
    }
}

/// What reporters of `events.k8s.io` must say beside.
pub(crate) fn validate_new(event: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let event = (EVENT.store)(event);
    if old.is_some() {
        metadata::validate_any(&event, old, &mut errors);
    }
    validate_any(&event, "reportingController", &mut errors);
    match old.map(EVENT.store) {
        None => {
            metadata::validate_new(&event, names::dns1123_subdomain, &mut errors);
            validate_create(&event, &mut errors);
        }
        Some(old) => {
            metadata::validate_change(&event, &old, &mut errors);
            validate_update(&event, &old, &mut errors);
        }
    }
    errors.into_vec()
}

fn validate_create(event: &Value, errors: &mut Errors) {
    validate_series(&event["series"], errors);
    if is_empty(&event["eventTime"]) {
        errors.required(&Path::new("eventTime"), "");
    }
    let (kind, nothing) = (text(&event["type"]), "".into());
    if !["Normal", "Warning"].contains(&kind) {
        errors.invalid(&Path::new("type"), &nothing, format!("has invalid value: {kind}"));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        if !same(&event[field], &Value::Null) && event[field] != 0 {
            errors.invalid(&Path::new(field), &nothing, "needs to be unset");
        }
    }
}

fn validate_update(event: &Value, old: &Value, errors: &mut Errors) {
    if !same(&event["series"], &old["series"]) {
        validate_series(&event["series"], errors);
    }
    for field in FIXED {
        let named = if field == "reportingComponent" { "reportingController" } else { field };
        let at = Path::new(named);
        match NULLABLE.contains(&field) {
            true if same(&event[field], &old[field]) => {}
            true => errors.shown(&at, &event[field], super::IMMUTABLE),
            false => errors.immutable(&at, &event[field], &old[field]),
        }
    }
    errors.immutable(&Path::new("reportingInstance"), &event["reportingInstance"], &old["reportingInstance"]);
}

fn validate_series(series: &Value, errors: &mut Errors) {
    if !series.is_object() {
        return;
    }
    if series["count"].as_i64().unwrap_or_default() < 2 {
        errors.invalid(&Path::new("series.count"), &"".into(), "should be at least 2");
    }
    if is_empty(&series["lastObservedTime"]) {
        errors.required(&Path::new("series.lastObservedTime"), "");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(change: Value, old: bool) -> Vec<String> {
        let mut event = json!({
            "metadata": { "name": "e", "namespace": "n" }, "eventTime": "2024-01-01T00:00:00.000000Z",
            "reportingController": "example.com/c", "reportingInstance": "i", "action": "A", "reason": "R",
            "type": "Normal", "regarding": { "kind": "Pod", "namespace": "n" },
        });
        let before = event.clone();
        for (field, value) in change.as_object().expect("fields") {
            event[field] = value.clone();
        }
        validate_new(&event, old.then_some(&before)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn new_events_say_who_tells_them_and_do_not_change() {
        let cases = [
            (json!({}), false, vec![]),
            (json!({ "action": "" }), false, vec!["action: Required value"]),
            (json!({ "type": "Other" }), false, vec![r#"type: Invalid value: "": has invalid value: Other"#]),
            (
                json!({ "series": { "count": 1, "lastObservedTime": "x" } }),
                false,
                vec![r#"series.count: Invalid value: "": should be at least 2"#],
            ),
            (json!({ "deprecatedCount": 3 }), false, vec![r#"count: Invalid value: "": needs to be unset"#]),
            (
                json!({ "regarding": {}, "metadata": { "namespace": "n" } }),
                false,
                vec![
                    r#"involvedObject.namespace: Invalid value: "": does not match event.namespace"#,
                    "metadata.name: Required value: name or generateName is required",
                ],
            ),
            (json!({ "eventTime": null }), true, vec!["eventTime: Invalid value: null: field is immutable"]),
            (json!({ "action": "B" }), true, vec![r#"action: Invalid value: "B": field is immutable"#]),
        ];
        for (change, old, expected) in cases {
            assert_eq!(found(change.clone(), old), expected, "{change}");
        }
    }
}
