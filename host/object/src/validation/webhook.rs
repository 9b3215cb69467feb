//! Webhook configurations (`pkg/apis/admissionregistration/validation`).

use serde_json::Value;

use super::admission::{match_conditions, rule_with_operations};
use super::{Errors, Path, client_config, items, metadata, same, selector, text};
use crate::names;
use crate::status::FieldError;

/// Versions of AdmissionReview that are spoken.
const REVIEWS: [&str; 2] = ["v1", "v1beta1"];
const SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];

/// A Mutating- or ValidatingWebhookConfiguration.
pub(crate) fn validate_webhooks(configuration: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_common(configuration, old, names::dns1123_subdomain, &mut errors);
    let hooks = items(&configuration["webhooks"]);
    let before = old.map(|old| items(&old["webhooks"]));
    // Conditions that nobody touched were judged when they came.
    let same_conditions = before.is_some_and(|before| {
        let pairs = before.iter().zip(hooks);
        before.len() == hooks.len()
            && pairs.into_iter().all(|(b, h)| same(&b["matchConditions"], &h["matchConditions"]))
    });
    for (index, hook) in hooks.iter().enumerate() {
        let path = Path::new("webhooks").index(index);
        validate_webhook(hook, &path, &mut errors);
        let conditions = &hook["matchConditions"];
        if !same_conditions {
            match_conditions(conditions, false, &path.child("matchConditions"), &mut errors);
        }
        let missing = format!("must specify one of {}", REVIEWS.join(", "));
        let at = path.child("admissionReviewVersions");
        client_config::validate_versions(
            &hook["admissionReviewVersions"],
            &REVIEWS,
            &missing,
            &at,
            &mut errors,
        );
        let name = &hook["name"];
        if !text(name).is_empty() && hooks[..index].iter().any(|other| other["name"] == *name) {
            errors.duplicate(&path.child("name"), name.clone());
        }
    }
    errors.into_vec()
}

fn validate_webhook(hook: &Value, path: &Path, errors: &mut Errors) {
    validate_name(text(&hook["name"]), &path.child("name"), errors);
    for (index, rule) in items(&hook["rules"]).iter().enumerate() {
        rule_with_operations(rule, &path.child("rules").index(index), errors);
    }
    errors.optional_one_of(&path.child("failurePolicy"), &hook["failurePolicy"], &["Fail", "Ignore"]);
    errors.optional_one_of(&path.child("matchPolicy"), &hook["matchPolicy"], &["Equivalent", "Exact"]);
    match &hook["sideEffects"] {
        Value::Null => {
            let detail = format!("must specify one of {}", SIDE_EFFECTS.join(", "));
            errors.required(&path.child("sideEffects"), &detail);
        }
        given => errors.one_of(&path.child("sideEffects"), given, &SIDE_EFFECTS),
    }
    if hook["timeoutSeconds"].as_i64().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&path.child("timeoutSeconds"), &hook["timeoutSeconds"], detail);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        selector::validate(&hook[field], &path.child(field), errors);
    }
    let policies = ["IfNeeded", "Never"];
    errors.optional_one_of(&path.child("reinvocationPolicy"), &hook["reinvocationPolicy"], &policies);
    client_config::validate(&hook["clientConfig"], &path.child("clientConfig"), errors);
}

/// Names of webhooks are domains of their owner.
fn validate_name(name: &str, path: &Path, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    let found = names::dns1123_subdomain(name);
    if !found.is_empty() {
        errors.invalid(path, &name.into(), found.join(","));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        errors.invalid(path, &name.into(), detail);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(hook: Value) -> Value {
        let mut whole = json!({
            "name": "deny.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": { "service": { "namespace": "n", "name": "s", "port": 443, "path": "/deny" } },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }],
        });
        for (field, value) in hook.as_object().unwrap() {
            whole[field] = value.clone();
        }
        json!({ "metadata": { "name": "c" }, "webhooks": [whole] })
    }

    fn found(hook: Value) -> Vec<String> {
        validate_webhooks(&configuration(hook), None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_webhook_passes() {
        assert_eq!(found(json!({})), Vec::<String>::new());
        let url = json!({ "clientConfig": { "url": "https://host:1/x" } });
        assert_eq!(found(url), Vec::<String>::new());
    }

    #[test]
    fn messages_are_upstreams() {
        let cases = [
            (
                json!({ "name": "a.b" }),
                r#"webhooks[0].name: Invalid value: "a.b": should be a domain with at least three segments separated by dots"#,
            ),
            (
                json!({ "sideEffects": null }),
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
            ),
            (
                json!({ "sideEffects": "Some" }),
                r#"webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun""#,
            ),
            (
                json!({ "timeoutSeconds": 31 }),
                "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
            ),
            (
                json!({ "admissionReviewVersions": [] }),
                "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            ),
            (
                json!({ "clientConfig": {} }),
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
            ),
            (
                json!({ "clientConfig": { "url": "http://host" } }),
                r#"webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]"#,
            ),
            (
                json!({ "clientConfig": { "url": "https://host?a=b" } }),
                r#"webhooks[0].clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL"#,
            ),
            (
                json!({ "rules": [{ "operations": ["*", "CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }] }),
                r#"webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations"#,
            ),
            (
                json!({ "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/*", "pods/exec"] }] }),
                r#"webhooks[0].rules[0].resources[1]: Invalid value: "pods/exec": if 'pods/*' is present, must not specify pods/exec"#,
            ),
        ];
        for (hook, expected) in cases {
            assert_eq!(found(hook), [expected]);
        }
    }

    #[test]
    fn conditions_must_compile_unless_they_were_there_before() {
        let broken = json!({ "matchConditions": [{ "name": "a", "expression": "... [" }] });
        let messages = found(broken.clone());
        assert!(
            messages[0].starts_with("webhooks[0].matchConditions[0].expression: Invalid value: "),
            "{messages:?}"
        );
        assert!(messages[0].contains("compilation failed"), "{messages:?}");
        let stored = configuration(broken);
        assert_eq!(validate_webhooks(&stored, Some(&stored)), []);
        let unknown = found(json!({ "matchConditions": [{ "name": "a", "expression": "params.x == 1" }] }));
        assert!(unknown[0].contains("undeclared reference to 'params'"), "{unknown:?}");
    }
}
