//! Label selectors.

use serde_json::{Map, Value};

use super::{Errors, Path, items, text};
use crate::names;

const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

pub(crate) fn validate(selector: &Value, path: &Path, errors: &mut Errors) {
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        let at = path.child("matchLabels");
        errors.rule(&at, key, names::qualified_name);
        errors.rule(&at, text(value), names::label_value);
    }
    for (index, expression) in items(&selector["matchExpressions"]).iter().enumerate() {
        validate_expression(expression, &path.child("matchExpressions").index(index), errors);
    }
}

fn validate_expression(expression: &Value, path: &Path, errors: &mut Errors) {
    let values = items(&expression["values"]);
    let operator = text(&expression["operator"]);
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.forbidden(&path.child("values"), detail);
        }
        _ if !OPERATORS.contains(&operator) => {
            errors.invalid(&path.child("operator"), &expression["operator"], "not a valid selector operator");
        }
        _ => {}
    }
    errors.rule(&path.child("key"), text(&expression["key"]), names::qualified_name);
    for (index, value) in values.iter().enumerate() {
        errors.rule(&path.child("values").index(index), text(value), names::label_value);
    }
}

/// Whether it can be told what it selects; none selects nothing.
pub(crate) fn can_be_read(selector: &Value) -> bool {
    let mut errors = Errors::default();
    validate(selector, &Path::new(""), &mut errors);
    errors.is_empty()
}

pub(crate) fn is_empty(selector: &Value) -> bool {
    let no_labels = selector["matchLabels"].as_object().is_none_or(Map::is_empty);
    no_labels && items(&selector["matchExpressions"]).is_empty()
}

/// Whether labels satisfy a (valid) selector.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let by_label =
        selector["matchLabels"].as_object().into_iter().flatten().all(|(key, value)| &labels[key] == value);
    by_label && items(&selector["matchExpressions"]).iter().all(|expression| satisfies(expression, labels))
}

fn satisfies(expression: &Value, labels: &Value) -> bool {
    let value = labels.get(text(&expression["key"]));
    let listed = |value: &Value| items(&expression["values"]).contains(value);
    match text(&expression["operator"]) {
        "In" => value.is_some_and(listed),
        "NotIn" => value.is_none_or(|value| !listed(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
