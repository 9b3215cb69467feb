//! What the end of a job's pods means to the job.

use serde_json::{Value, json};

use super::super::{Errors, Path, items, text};
use crate::names;

const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const MOST_RULES: usize = 20;
const MOST_EXIT_CODES: usize = 255;
const MOST_CONDITIONS: usize = 20;
const LONGEST_INDEXES: usize = 64 * 1024;

pub(super) fn validate_failures(spec: &Value, path: &Path, errors: &mut Errors) {
    let (rules, at) = (items(&spec["podFailurePolicy"]["rules"]), path.child("rules"));
    errors.at_most(&at, rules.len(), MOST_RULES);
    for (index, rule) in rules.iter().enumerate() {
        validate_failure(spec, rule, &at.index(index), errors);
    }
}

/// As Go prints a list of strings.
fn listed(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

fn required_known(value: &Value, known: &[&str], path: &Path, errors: &mut Errors) {
    match text(value) {
        "" => errors.required(path, &listed(known)),
        _ => errors.listed(path, value, known),
    }
}

fn validate_failure(spec: &Value, rule: &Value, path: &Path, errors: &mut Errors) {
    let action = &rule["action"];
    if action == "FailIndex" && spec["backoffLimitPerIndex"].is_null() {
        errors.invalid(&path.child("action"), action, "requires the backoffLimitPerIndex to be set");
    }
    required_known(action, &ACTIONS, &path.child("action"), errors);
    let (codes, conditions) = (&rule["onExitCodes"], items(&rule["onPodConditions"]));
    if codes.is_object() {
        validate_codes(spec, codes, &path.child("onExitCodes"), errors);
    }
    let at = path.child("onPodConditions");
    errors.at_most(&at, conditions.len(), MOST_CONDITIONS);
    for (index, pattern) in conditions.iter().enumerate() {
        let at = at.index(index);
        errors.rule(&at.child("type"), text(&pattern["type"]), names::qualified_name);
        required_known(&pattern["status"], &STATUSES, &at.child("status"), errors);
    }
    match (codes.is_object(), conditions.is_empty()) {
        (true, false) => {
            errors.without_value(path, "specifying both OnExitCodes and OnPodConditions is not supported");
        }
        (false, true) => {
            errors.without_value(path, "specifying one of OnExitCodes and OnPodConditions is required");
        }
        (true, true) | (false, false) => {}
    }
}

fn validate_codes(spec: &Value, codes: &Value, path: &Path, errors: &mut Errors) {
    required_known(&codes["operator"], &OPERATORS, &path.child("operator"), errors);
    let pod = &spec["template"]["spec"];
    let mut containers = ["containers", "initContainers"].iter().flat_map(|field| items(&pod[*field]));
    let named = &codes["containerName"];
    if !named.is_null() && !containers.any(|container| text(&container["name"]) == text(named)) {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(&path.child("containerName"), named, detail);
    }
    let (values, at) = (items(&codes["values"]), path.child("values"));
    if values.is_empty() {
        errors.shown(&at, &codes["values"], "at least one value is required");
    }
    errors.at_most(&at, values.len(), MOST_EXIT_CODES);
    for (index, value) in values.iter().enumerate() {
        if codes["operator"] == "In" && value == 0 {
            errors.invalid(&at.index(index), value, "must not be 0 for the In operator");
        }
        if values[..index].contains(value) {
            errors.duplicate(&at.index(index), value.clone());
        }
    }
    if !values.is_sorted_by_key(|value| value.as_i64()) {
        errors.shown(&at, &codes["values"], "must be ordered");
    }
}

pub(super) fn validate_success(spec: &Value, path: &Path, errors: &mut Errors) {
    let policy = &spec["successPolicy"];
    if !policy.is_object() {
        return;
    }
    if spec["completionMode"] != "Indexed" {
        return errors.shown(path, &go("successPolicy", policy), "requires indexed completion mode");
    }
    let (rules, at) = (items(&policy["rules"]), path.child("rules"));
    if rules.is_empty() {
        errors.required(&at, "at least one rules must be specified when the successPolicy is specified");
    }
    errors.at_most(&at, rules.len(), MOST_RULES);
    for (index, rule) in rules.iter().enumerate() {
        let completions = spec["completions"].as_i64().unwrap_or(0);
        validate_success_rule(rule, completions, &at.index(index), errors);
    }
}

fn validate_success_rule(rule: &Value, completions: i64, path: &Path, errors: &mut Errors) {
    let (count, indexes) = (&rule["succeededCount"], &rule["succeededIndexes"]);
    if count.is_null() && indexes.is_null() {
        errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(listed) = indexes.as_str() {
        let at = path.child("succeededIndexes");
        if listed.len() > LONGEST_INDEXES {
            errors.too_long(&at, LONGEST_INDEXES);
        }
        match count_indexes(listed, completions) {
            Ok(found) => total = found,
            Err(why) => errors.invalid(&at, indexes, format!("error parsing succeededIndexes: {why}")),
        }
    }
    let Some(wanted) = count.as_i64() else { return };
    let at = path.child("succeededCount");
    errors.not_negative(&at, count);
    let mut at_most = |most: i64, what: &str| {
        if wanted > most {
            errors.invalid(&at, count, format!("must be less than or equal to {most} ({what})"));
        }
    };
    at_most(completions, "the number of specified completions");
    if !indexes.is_null() {
        at_most(total, "the number of indexes in the specified succeededIndexes field");
    }
}

/// How many `1,3-5` are, in ascending order below `completions`.
fn count_indexes(listed: &str, completions: i64) -> Result<i64, String> {
    let number = |text: &str| -> Result<i64, String> {
        let number =
            text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if number >= completions { Err(format!("too large index: {text:?}")) } else { Ok(number) }
    };
    let order = |previous: i64, current: i64| match previous < current {
        true => Ok(()),
        false => Err(format!("non-increasing order, previous: {previous}, current: {current}")),
    };
    let (mut last, mut total) = (None, 0);
    for interval in listed.split(',').filter(|_| !listed.is_empty()) {
        let parts: Vec<&str> = interval.split('-').collect();
        let (first, end) = match parts.as_slice() {
            [one] => (number(one)?, number(one)?),
            [first, end] => (number(first)?, number(end)?),
            _ => {
                return Err(format!(
                    "the fragment {interval:?} violates the requirement that an index interval can have at most two parts separated by '-'"
                ));
            }
        };
        if parts.len() == 2 {
            order(first, end)?;
        }
        if let Some(last) = last {
            order(last, first)?;
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// A field of a job's spec as upstream's internal type prints it.
pub(super) fn go(field: &str, value: &Value) -> Value {
    let rules = |rule: fn(&Value) -> Value| match value["rules"].as_array() {
        Some(rules) => json!({ "Rules": rules.iter().map(rule).collect::<Value>() }),
        None => json!({ "Rules": null }),
    };
    match field {
        "podFailurePolicy" if value.is_object() => rules(go_failure),
        "successPolicy" if value.is_object() => rules(
            |rule| json!({ "SucceededIndexes": rule["succeededIndexes"], "SucceededCount": rule["succeededCount"] }),
        ),
        _ => value.clone(),
    }
}

fn go_failure(rule: &Value) -> Value {
    let codes = match &rule["onExitCodes"] {
        Value::Null => Value::Null,
        codes => {
            json!({ "ContainerName": codes["containerName"], "Operator": codes["operator"], "Values": codes["values"] })
        }
    };
    let pattern = |pattern: &Value| json!({ "Type": pattern["type"], "Status": pattern["status"] });
    let conditions = match rule["onPodConditions"].as_array() {
        Some(patterns) => patterns.iter().map(pattern).collect(),
        None => Value::Null,
    };
    json!({ "Action": rule["action"], "OnExitCodes": codes, "OnPodConditions": conditions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted_in_order() {
        assert_eq!(count_indexes("1,3-5", 6), Ok(4));
        assert_eq!(count_indexes("", 6), Ok(0));
        let cases = [
            (
                "1-2-3",
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
            ),
            ("x", "cannot convert string to integer for index: \"x\""),
            ("6", "too large index: \"6\""),
            ("3-1", "non-increasing order, previous: 3, current: 1"),
            ("3,1", "non-increasing order, previous: 3, current: 1"),
        ];
        for (listed, why) in cases {
            assert_eq!(count_indexes(listed, 6), Err(why.into()), "{listed}");
        }
    }
}
