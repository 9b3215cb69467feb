//! Admission policies and their bindings
//! (`pkg/apis/admissionregistration/validation/validation.go`).

mod binding;
mod expressions;
mod matching;

pub(crate) use binding::{validate_mutating_binding, validate_validating_binding};
use expressions::{Expressions, is_identifier};
pub(crate) use matching::{match_conditions, rule_with_operations};
use matching::{match_resources, mutable_operations};
use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::cel::{Given, Wanted};
use crate::names;
use crate::status::FieldError;

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];
const NO_ITEM: &str = "validations or auditAnnotations must contain at least one item";
const MOST_ANNOTATIONS: usize = 20;
/// Bytes of an annotation's expression.
const LONGEST_ANNOTATION: usize = 5 * 1024;

pub(crate) fn validate_validating_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(policy, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &policy["spec"]);
    let mut expressions = Expressions::of(policy, old);
    common(spec, &path, &mut expressions, &mut errors);
    let (validations, annotations) = (items(&spec["validations"]), items(&spec["auditAnnotations"]));
    if validations.is_empty() && annotations.is_empty() {
        errors.required(&path.child("validations"), NO_ITEM);
        errors.required(&path.child("auditAnnotations"), NO_ITEM);
    }
    for (index, validation) in validations.iter().enumerate() {
        let at = path.child("validations").index(index);
        validate_validation(validation, &at, &expressions, &mut errors);
    }
    audit_annotations(policy, annotations, &path.child("auditAnnotations"), &expressions, &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_mutating_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(policy, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &policy["spec"]);
    let mut expressions = Expressions::of(policy, old);
    common(spec, &path, &mut expressions, &mut errors);
    mutable_operations(&spec["matchConstraints"], &path.child("matchConstraints"), &mut errors);
    let mutations = path.child("mutations");
    if items(&spec["mutations"]).is_empty() {
        errors.required(&mutations, "mutations must contain at least one item");
    }
    for (index, mutation) in items(&spec["mutations"]).iter().enumerate() {
        validate_mutation(mutation, &mutations.index(index), &expressions, &mut errors);
    }
    let reinvocation = path.child("reinvocationPolicy");
    errors.required_one_of(&reinvocation, &spec["reinvocationPolicy"], &REINVOCATION_POLICIES);
    errors.into_vec()
}

/// What both policies have.
fn common(spec: &Value, path: &Path, expressions: &mut Expressions<'_>, errors: &mut Errors) {
    errors.required_one_of(&path.child("failurePolicy"), &spec["failurePolicy"], &FAILURE_POLICIES);
    if !spec["paramKind"].is_null() {
        param_kind(&spec["paramKind"], &path.child("paramKind"), errors);
    }
    let constraints = path.child("matchConstraints");
    if spec["matchConstraints"].is_null() {
        errors.required(&constraints, "");
    } else {
        match_resources(&spec["matchConstraints"], &constraints, errors);
        if items(&spec["matchConstraints"]["resourceRules"]).is_empty() {
            errors.required(&constraints.child("resourceRules"), "");
        }
    }
    let params = expressions.given.params;
    match_conditions(&spec["matchConditions"], params, &path.child("matchConditions"), errors);
    for (index, variable) in items(&spec["variables"]).iter().enumerate() {
        validate_variable(variable, &path.child("variables").index(index), expressions, errors);
    }
}

fn param_kind(kind: &Value, path: &Path, errors: &mut Errors) {
    let version_at = path.child("apiVersion");
    let api_version = text(&kind["apiVersion"]);
    match api_version.matches('/').count() {
        _ if api_version.is_empty() => errors.required(&version_at, ""),
        0 | 1 => {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            if !group.is_empty() {
                errors.rule(&version_at, group, names::dns1123_subdomain);
            }
            if version.is_empty() {
                errors.invalid(&version_at, &kind["apiVersion"], "version must be specified");
            } else {
                errors.rule(&version_at, version, names::dns1035_label);
            }
        }
        _ => {
            let why = format!("unexpected GroupVersion string: {api_version}");
            errors.invalid(&version_at, &kind["apiVersion"], why);
        }
    }
    let name = text(&kind["kind"]);
    let wrong = names::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        errors.required(&path.child("kind"), "");
    } else if !wrong.is_empty() {
        let why = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.invalid(&path.child("kind"), &kind["kind"], why);
    }
}

fn validate_variable(variable: &Value, path: &Path, expressions: &mut Expressions<'_>, errors: &mut Errors) {
    let name = text(&variable["name"]);
    if name.trim().is_empty() {
        errors.required(&path.child("name"), "name is not specified");
    } else if !is_identifier(name) {
        errors.invalid(&path.child("name"), &variable["name"], "must be a valid CEL identifier");
    }
    let at = path.child("expression");
    let expression = &variable["expression"];
    if text(expression).trim().is_empty() {
        return errors.required(&at, "expression is not specified");
    }
    let declared = expressions.composition.declare(name, text(expression), expressions.given);
    if let Err(why) = declared.map(drop)
        && !expressions.before.contains(&expression)
    {
        errors.invalid(&at, expression, why);
    }
}

fn validate_validation(validation: &Value, path: &Path, expressions: &Expressions<'_>, errors: &mut Errors) {
    let (at, expression) = (path.child("expression"), &validation["expression"]);
    if text(expression).trim().is_empty() {
        errors.required(&at, "expression is not specified");
    } else {
        expressions.check(expression, expressions.given, Wanted::Bool, &at, errors);
    }
    let (at, computed) = (path.child("messageExpression"), &validation["messageExpression"]);
    if !text(computed).is_empty() && text(computed).trim().is_empty() {
        errors.invalid(&at, computed, "must be non-empty if specified");
    } else if !text(computed).is_empty() {
        let given = Given { authorizer: false, ..expressions.given };
        expressions.check(computed, given, Wanted::String, &at, errors);
    }
    let message = text(&validation["message"]);
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&path.child("message"), &validation["message"], "must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(&path.child("message"), &validation["message"], "must not contain line breaks");
    }
    errors.optional_one_of(&path.child("reason"), &validation["reason"], &REASONS);
}

fn audit_annotations(
    policy: &Value,
    annotations: &[Value],
    path: &Path,
    expressions: &Expressions<'_>,
    errors: &mut Errors,
) {
    if annotations.len() > MOST_ANNOTATIONS {
        let why = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        errors.invalid(path, &policy["spec"]["auditAnnotations"], why);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (index, annotation) in annotations.iter().enumerate() {
        let (at, key) = (path.index(index), text(&annotation["key"]));
        match text(&policy["metadata"]["name"]) {
            "" => {
                let why = "requires metadata.name be non-empty";
                errors.invalid(&at.child("key"), &annotation["key"], why);
            }
            name => errors.rule(&at.child("key"), &format!("{name}/{key}"), names::qualified_name),
        }
        let value = at.child("valueExpression");
        match text(&annotation["valueExpression"]).trim() {
            "" => errors.required(&value, "valueExpression is not specified"),
            long if long.len() > LONGEST_ANNOTATION => {
                errors.required(&value, &format!("must not exceed {LONGEST_ANNOTATION} bytes in length"));
            }
            _ => {
                let expression = &annotation["valueExpression"];
                expressions.check(expression, expressions.given, Wanted::StringOrNull, &value, errors);
            }
        }
        if seen.contains(&key) {
            errors.duplicate(&at.child("key"), key);
        }
        seen.push(key);
    }
}

fn validate_mutation(mutation: &Value, path: &Path, expressions: &Expressions<'_>, errors: &mut Errors) {
    let (wanted, other) = match text(&mutation["patchType"]) {
        "" => return errors.required(&path.child("patchType"), ""),
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        _ => return errors.one_of(&path.child("patchType"), &mutation["patchType"], &PATCH_TYPES),
    };
    let patch_type = text(&mutation["patchType"]);
    let at = path.child(wanted);
    if mutation[wanted].is_null() {
        errors.required(&at, &format!("must be specified when patchType is {patch_type}"));
    } else if text(&mutation[wanted]["expression"]).trim().is_empty() {
        errors.required(&at.child("expression"), "");
    } else {
        let gives = if wanted == "jsonPatch" { Wanted::JsonPatches } else { Wanted::Object };
        let expression = &mutation[wanted]["expression"];
        expressions.check(expression, expressions.given, gives, &at.child("expression"), errors);
    }
    if !mutation[other].is_null() {
        let why = format!("must not be specified when patchType is {patch_type}");
        errors.invalid(&path.child(other), &format!("{{{other}}}").into(), why);
    }
}

#[cfg(test)]
mod tests;
