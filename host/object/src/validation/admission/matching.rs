//! Which requests a webhook or a policy is about: rules, resources, conditions.

use serde_json::Value;

use crate::cel::{Composition, Given};
use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, Path, items, selector, text};

const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const OPERATIONS: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
/// A delete has no object to change.
const MUTABLE_OPERATIONS: [&str; 4] = ["*", "CREATE", "UPDATE", "CONNECT"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const MOST_CONDITIONS: usize = 64;

/// `matchConstraints` and `matchResources`.
pub(super) fn match_resources(resources: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("matchPolicy"), &resources["matchPolicy"], &MATCH_POLICIES);
    for field in ["namespaceSelector", "objectSelector"] {
        match &resources[field] {
            Value::Null => errors.required(&path.child(field), ""),
            given => selector::validate(given, &path.child(field), errors),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in items(&resources[field]).iter().enumerate() {
            named_rule(rule, &path.child(field).index(index), errors);
        }
    }
}

fn named_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, name) in items(&rule["resourceNames"]).iter().enumerate() {
        let at = path.child("resourceNames").index(index);
        errors.rule(&at, text(name), names::path_segment);
        if seen.contains(&text(name)) {
            errors.duplicate(&at, name.clone());
        }
        seen.push(text(name));
    }
    rule_with_operations(rule, path, errors);
}

/// A rule of a webhook or a policy.
pub(crate) fn rule_with_operations(rule: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("operations");
    let operations = items(&rule["operations"]);
    if operations.is_empty() {
        errors.required(&at, "");
    }
    only_wildcard(&rule["operations"], &at, "if '*' is present, must not specify other operations", errors);
    for (index, operation) in operations.iter().enumerate() {
        errors.one_of(&at.index(index), operation, &OPERATIONS);
    }
    let groups = path.child("apiGroups");
    if items(&rule["apiGroups"]).is_empty() {
        errors.required(&groups, "");
    }
    only_wildcard(
        &rule["apiGroups"],
        &groups,
        "if '*' is present, must not specify other API groups",
        errors,
    );
    let versions = path.child("apiVersions");
    if items(&rule["apiVersions"]).is_empty() {
        errors.required(&versions, "");
    }
    let why = "if '*' is present, must not specify other API versions";
    only_wildcard(&rule["apiVersions"], &versions, why, errors);
    for (index, version) in items(&rule["apiVersions"]).iter().enumerate() {
        if text(version).is_empty() {
            errors.required(&versions.index(index), "");
        }
    }
    resources(&rule["resources"], &path.child("resources"), errors);
    errors.optional_one_of(&path.child("scope"), &rule["scope"], &SCOPES);
}

fn only_wildcard(listed: &Value, path: &Path, why: &str, errors: &mut Errors) {
    if items(listed).len() > 1 && items(listed).iter().any(|item| item == "*") {
        errors.invalid(path, listed, why);
    }
}

/// Resources that say the same twice are a mistake.
fn resources(listed: &Value, path: &Path, errors: &mut Errors) {
    let resources = items(listed);
    if resources.is_empty() {
        errors.required(path, "");
    }
    let (mut whole_resources, mut whole_subresources) = (Vec::new(), Vec::new());
    let mut plain = false;
    for (index, resource) in resources.iter().enumerate() {
        let (at, given) = (path.index(index), text(resource));
        let Some((resource_name, sub)) = given.split_once('/') else {
            if given.is_empty() {
                errors.required(&at, "");
            } else {
                plain = given != "*";
            }
            continue;
        };
        if whole_resources.contains(&resource_name) {
            let why = format!("if '{resource_name}/*' is present, must not specify {given}");
            errors.invalid(&at, resource, why);
        }
        if whole_subresources.contains(&sub) {
            errors.invalid(&at, resource, format!("if '*/{sub}' is present, must not specify {given}"));
        }
        if sub == "*" {
            whole_resources.push(resource_name);
        }
        if resource_name == "*" {
            whole_subresources.push(sub);
        }
    }
    if resources.len() > 1 && resources.iter().any(|resource| resource == "*/*") {
        errors.invalid(path, listed, "if '*/*' is present, must not specify other resources");
    }
    if plain && resources.iter().any(|resource| resource == "*") {
        let why = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, listed, why);
    }
}

/// `matchConditions` of a webhook or a policy; `params`: they may ask for them.
pub(crate) fn match_conditions(conditions: &Value, params: bool, path: &Path, errors: &mut Errors) {
    let given = Given { params, authorizer: true };
    let conditions = items(conditions);
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(path.as_str(), conditions.len(), MOST_CONDITIONS));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let (at, name) = (path.index(index), text(&condition["name"]));
        let expression = text(&condition["expression"]).trim();
        if expression.is_empty() {
            errors.required(&at.child("expression"), "");
        } else if let Err(why) = Composition::default().condition(expression, given) {
            errors.invalid(&at.child("expression"), &expression.into(), why);
        }
        if name.is_empty() {
            errors.required(&at.child("name"), "");
            continue;
        }
        errors.rule(&at.child("name"), name, names::qualified_name);
        if seen.contains(&name) {
            errors.duplicate(&at.child("name"), name);
        }
        seen.push(name);
    }
}

pub(super) fn mutable_operations(resources: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("resourceRules").child("operations");
    for rule in items(&resources["resourceRules"]) {
        for operation in items(&rule["operations"]) {
            errors.one_of(&at, operation, &MUTABLE_OPERATIONS);
        }
    }
}
