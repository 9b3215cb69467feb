//! Admission policies and their bindings
//! (`pkg/apis/admissionregistration/validation/validation.go`).

use serde_json::Value;

use super::{Errors, Path, items, metadata, selector, text};
use crate::cel::{Composition, Given, Wanted};
use crate::names;
use crate::status::FieldError;

const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const OPERATIONS: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
/// A delete has no object to change.
const MUTABLE_OPERATIONS: [&str; 4] = ["*", "CREATE", "UPDATE", "CONNECT"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];
const PATCH_TYPES: [&str; 2] = ["ApplyConfiguration", "JSONPatch"];
const NO_ITEM: &str = "validations or auditAnnotations must contain at least one item";
const MOST_ANNOTATIONS: usize = 20;
const MOST_CONDITIONS: usize = 64;
/// Bytes of an annotation's expression.
const LONGEST_ANNOTATION: usize = 5 * 1024;

pub(crate) fn validate_validating_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(policy, old, names::dns1123_subdomain, &mut errors);
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
    metadata::validate(policy, old, names::dns1123_subdomain, &mut errors);
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

pub(crate) fn validate_validating_binding(binding: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(binding, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &binding["spec"]);
    validate_binding(spec, &path, &mut errors);
    validation_actions(&spec["validationActions"], &path.child("validationActions"), &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_mutating_binding(binding: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(binding, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &binding["spec"]);
    validate_binding(spec, &path, &mut errors);
    mutable_operations(&spec["matchResources"], &path.child("matchResources"), &mut errors);
    errors.into_vec()
}

/// The expressions of a policy, and what they are given.
struct Expressions<'a> {
    composition: Composition,
    given: Given,
    /// What was accepted before is not looked at again.
    before: Vec<&'a Value>,
}

impl<'a> Expressions<'a> {
    fn of(policy: &Value, old: Option<&'a Value>) -> Expressions<'a> {
        let params = !policy["spec"]["paramKind"].is_null();
        // Without variables of its own, and the same params, a policy's expressions mean what they did.
        let same = |old: &&Value| {
            let fixed = |field: &str| old["spec"][field] == policy["spec"][field];
            fixed("paramKind") && fixed("variables")
        };
        let before = old.filter(same).map(texts).unwrap_or_default();
        Expressions { composition: Composition::default(), given: Given { params, authorizer: true }, before }
    }

    fn check(&self, expression: &Value, given: Given, wanted: Wanted, path: &Path, errors: &mut Errors) {
        if self.before.contains(&expression) {
            return;
        }
        if let Err(why) = self.composition.compile(text(expression), given, wanted) {
            errors.invalid(path, expression, why);
        }
    }
}

/// Every text in a policy's spec; its expressions are among them.
fn texts(policy: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    let mut open = vec![&policy["spec"]];
    while let Some(value) = open.pop() {
        match value {
            Value::String(_) => found.push(value),
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
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

/// `matchConstraints` and `matchResources`.
fn match_resources(resources: &Value, path: &Path, errors: &mut Errors) {
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

fn mutable_operations(resources: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("resourceRules").child("operations");
    for rule in items(&resources["resourceRules"]) {
        for operation in items(&rule["operations"]) {
            errors.one_of(&at, operation, &MUTABLE_OPERATIONS);
        }
    }
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

/// A name that CEL can say; its own words are not.
fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && letters.all(|letter| letter == '_' || letter.is_ascii_alphanumeric())
        && !crate::cel::RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Kinds;

    fn policy() -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": "p.example.com" },
            "spec": {
                "matchConstraints": { "resourceRules": [
                    { "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"] },
                ] },
                "validations": [{ "expression": "object.spec.replicas < 5" }],
            },
        })
    }

    /// What is wrong with a policy or binding of a kind, after its defaults.
    fn errors(kind: &str, mut object: Value) -> Vec<String> {
        let kinds = Kinds::builtin();
        let kind = kinds.by_kind("admissionregistration.k8s.io/v1", kind).unwrap();
        kind.default(&mut object);
        kind.validate(&object, None).iter().map(ToString::to_string).collect()
    }

    /// The policy with one place of its spec changed.
    fn changed(path: &str, value: Value) -> Vec<String> {
        let mut policy = policy();
        let (parent, field) = path.rsplit_once('/').unwrap();
        policy.pointer_mut(&format!("/spec{parent}")).unwrap()[field] = value;
        errors("ValidatingAdmissionPolicy", policy)
    }

    #[test]
    fn defaults_make_a_short_policy_whole() {
        assert_eq!(errors("ValidatingAdmissionPolicy", policy()), [""; 0]);
    }

    #[test]
    fn a_policy_says_what_is_wrong_with_it() {
        let cases = [
            (
                "/validations",
                json!([]),
                "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
            ),
            (
                "/failurePolicy",
                json!("No"),
                "spec.failurePolicy: Unsupported value: \"No\": supported values: \"Fail\", \"Ignore\"",
            ),
            (
                "/paramKind",
                json!({ "apiVersion": "a/b/c", "kind": "K" }),
                "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            ),
            (
                "/matchConstraints/resourceRules",
                json!([]),
                "spec.matchConstraints.resourceRules: Required value",
            ),
            (
                "/variables",
                json!([{ "name": "a b", "expression": "1" }]),
                "spec.variables[0].name: Invalid value: \"a b\": must be a valid CEL identifier",
            ),
            (
                "/matchConditions",
                json!([{ "name": "a", "expression": "object.x" }]),
                "spec.matchConditions[0].expression: Invalid value: \"object.x\": must evaluate to bool but got dyn",
            ),
            (
                "/auditAnnotations",
                json!([{ "key": "k", "valueExpression": "1" }]),
                "must evaluate to one of [string null] but got int",
            ),
        ];
        for (path, value, expected) in cases {
            let found = changed(path, value).join("\n");
            assert!(found.contains(expected), "{path}: {found}");
        }
        let expression = |text: &str| changed("/validations", json!([{ "expression": text }])).join("\n");
        assert!(
            expression("object.spec.replicas <")
                .contains("compilation failed: ERROR: <input>:1:23: Syntax error: ")
        );
        assert!(expression("params.x == 1").contains("undeclared reference to 'params'"));
        assert!(expression("variables.x == 1").contains("undefined field 'x'"));
    }

    #[test]
    fn a_mutation_gives_what_its_type_asks_for() {
        let mutating = |mutation: Value| {
            let mut policy = policy();
            policy["spec"]["validations"] = Value::Null;
            policy["spec"]["reinvocationPolicy"] = "Never".into();
            policy["spec"]["mutations"] = json!([mutation]);
            errors("MutatingAdmissionPolicy", policy)
        };
        let apply = |text: &str| json!({ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": text } });
        assert_eq!(mutating(apply("Object{metadata: Object.metadata{labels: {'a': 'b'}}}")), [""; 0]);
        let wrong = mutating(apply("'text'")).join("");
        assert!(wrong.contains("must evaluate to Object but got string"), "{wrong}");
        let patch = json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": "[JSONPatch{op: 'remove', path: '/' + jsonpatch.escapeKey('a/b')}]" } });
        assert_eq!(mutating(patch), [""; 0]);
    }

    #[test]
    fn a_binding_says_what_it_does() {
        let binding = |spec: Value| json!({ "metadata": { "name": "b" }, "spec": spec });
        let good = json!({ "policyName": "p", "validationActions": ["Deny"] });
        assert_eq!(errors("ValidatingAdmissionPolicyBinding", binding(good)), [""; 0]);
        let both = json!({ "policyName": "p", "validationActions": ["Deny", "Warn"] });
        assert!(
            errors("ValidatingAdmissionPolicyBinding", binding(both))[0]
                .contains("must not contain both Deny and Warn")
        );
        let params = json!({ "policyName": "p", "paramRef": { "name": "x", "selector": {} } });
        let found = errors("MutatingAdmissionPolicyBinding", binding(params)).join("\n");
        assert!(
            found.contains("spec.paramRef.name: Forbidden: name and selector are mutually exclusive"),
            "{found}"
        );
        assert!(found.contains("spec.paramRef.parameterNotFoundAction: Required value"), "{found}");
    }
}
