//! `metav1.Condition`.

use serde_json::Value;

use super::{Errors, Path, items, text};
use crate::names;

const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
const LONGEST_REASON: usize = 1024;
const LONGEST_MESSAGE: usize = 32 * 1024;

pub(crate) fn validate_conditions(conditions: &Value, path: &Path, errors: &mut Errors) {
    let conditions = items(conditions);
    for (index, condition) in conditions.iter().enumerate() {
        let at = path.index(index);
        if conditions[..index].iter().any(|before| before["type"] == condition["type"]) {
            errors.duplicate(&at, condition["type"].clone());
        }
        validate_condition(condition, &at, errors);
    }
}

fn validate_condition(condition: &Value, path: &Path, errors: &mut Errors) {
    match text(&condition["type"]) {
        "" => errors.required(&path.child("type"), "is required"),
        kind => errors.rule(&path.child("type"), kind, names::qualified_name),
    }
    errors.required_one_of(&path.child("status"), &condition["status"], &["False", "True", "Unknown"]);
    if condition["observedGeneration"].as_i64().is_some_and(|generation| generation < 0) {
        let at = path.child("observedGeneration");
        errors.invalid(&at, &condition["observedGeneration"], "must be greater than or equal to zero");
    }
    if text(&condition["lastTransitionTime"]).is_empty() {
        errors.required(&path.child("lastTransitionTime"), "");
    }
    let reason = path.child("reason");
    match text(&condition["reason"]) {
        "" => errors.required(&reason, ""),
        text if !is_reason(text) => errors.invalid(&reason, &text.into(), REASON),
        text if text.len() > LONGEST_REASON => errors.too_long(&reason, LONGEST_REASON),
        _ => {}
    }
    if text(&condition["message"]).len() > LONGEST_MESSAGE {
        errors.too_long(&path.child("message"), LONGEST_MESSAGE);
    }
}

fn is_reason(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_,:".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(inner)
}
