//! Bindings: where a policy holds, with which parameters, to what effect.

use serde_json::Value;

use super::matching::{match_resources, mutable_operations};
use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, Path, items, metadata, selector, text};

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];

pub(crate) fn validate_validating_binding(binding: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(binding, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &binding["spec"]);
    validate_binding(spec, &path, &mut errors);
    validation_actions(&spec["validationActions"], &path.child("validationActions"), &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_mutating_binding(binding: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(binding, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &binding["spec"]);
    validate_binding(spec, &path, &mut errors);
    mutable_operations(&spec["matchResources"], &path.child("matchResources"), &mut errors);
    errors.into_vec()
}

fn validate_binding(spec: &Value, path: &Path, errors: &mut Errors) {
    match text(&spec["policyName"]) {
        "" => errors.required(&path.child("policyName"), ""),
        name => errors.rule(&path.child("policyName"), name, names::dns1123_subdomain),
    }
    if !spec["paramRef"].is_null() {
        param_ref(&spec["paramRef"], &path.child("paramRef"), errors);
    }
    if !spec["matchResources"].is_null() {
        match_resources(&spec["matchResources"], &path.child("matchResources"), errors);
    }
}

fn param_ref(reference: &Value, path: &Path, errors: &mut Errors) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let (name, given) = (text(&reference["name"]), &reference["selector"]);
    if !name.is_empty() {
        errors.rule(&path.child("name"), name, names::path_segment);
        if !given.is_null() {
            errors.forbidden(&path.child("name"), EXCLUSIVE);
        }
    }
    if !given.is_null() {
        selector::validate(given, &path.child("selector"), errors);
        if !name.is_empty() {
            errors.forbidden(&path.child("selector"), EXCLUSIVE);
        }
    } else if name.is_empty() {
        errors.required(path, "one of name or selector must be specified");
    }
    let action = path.child("parameterNotFoundAction");
    errors.required_one_of(&action, &reference["parameterNotFoundAction"], &["Deny", "Allow"]);
}

fn validation_actions(actions: &Value, path: &Path, errors: &mut Errors) {
    let listed: Vec<&str> = items(actions).iter().map(text).collect();
    for (index, action) in listed.iter().enumerate() {
        errors.one_of(&path.index(index), &(*action).into(), &ACTIONS);
        if listed[..index].contains(action) {
            errors.duplicate(&path.index(index), *action);
        }
    }
    if listed.contains(&"Deny") && listed.contains(&"Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information \
                   in the API response and headers serves no purpose)";
        errors.invalid(path, actions, why);
    }
    if listed.is_empty() {
        errors.required(path, "at least one validation action is required");
    }
}
