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
        ("/matchConstraints/resourceRules", json!([]), "spec.matchConstraints.resourceRules: Required value"),
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
