//! Admission policies: CEL on the way of every write. A policy counts from the moment its creation is
//! answered.

use serde_json::{Value, json};

use crate::fixture::Api;

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// Rules, and a selector that keeps a test's policy to its own namespace.
fn constraints(group: &str, resource: &str, namespace: &str) -> Value {
    json!({
        "resourceRules": [
            { "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource] },
        ],
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
    })
}

/// A validating policy and its binding, called as the namespace is.
async fn validate(api: &Api, namespace: &str, mut spec: Value, actions: &[&str], binding: Value) {
    if spec["matchConstraints"].is_null() {
        spec["matchConstraints"] = constraints("", "configmaps", namespace);
    }
    let policy = json!({ "metadata": { "name": namespace }, "spec": spec });
    let made = api.post(&format!("{GROUP}/validatingadmissionpolicies"), &policy).await.expect(201);
    assert_eq!(made["spec"]["failurePolicy"], "Fail");
    let mut bound = json!({ "metadata": { "name": namespace },
        "spec": { "policyName": namespace, "validationActions": actions } });
    for (field, value) in binding.as_object().unwrap() {
        bound["spec"][field] = value.clone();
    }
    api.post(&format!("{GROUP}/validatingadmissionpolicybindings"), &bound).await.expect(201);
}

fn map(name: &str, data: Value) -> Value {
    json!({ "metadata": { "name": name }, "data": data })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_refuses_what_it_does_not_like() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let spec = json!({
        "variables": [{ "name": "size", "expression": "object.data.size()" }],
        "validations": [{ "expression": "variables.size <= 1", "messageExpression": "'too many: ' + string(variables.size)" }],
        "matchConditions": [{ "name": "not-mine", "expression": "request.name != 'free'" }],
    });
    validate(&api, &namespace, spec, &["Deny"], json!({})).await;
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    api.post(&maps, &map("a", json!({ "x": "1" }))).await.expect(201);
    api.post(&maps, &map("free", json!({ "x": "1", "y": "2" }))).await.expect(201);
    let refused = api.post(&maps, &map("b", json!({ "x": "1", "y": "2" }))).await;
    let why = format!(
        "ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}' denied request: too many: 2"
    );
    assert_eq!(refused.code, 422);
    assert_eq!(refused.message(), format!("configmaps \"b\" is forbidden: {why}"));
    assert_eq!(refused.body["reason"], "Invalid");
    assert_eq!(refused.body["details"]["causes"][0]["message"], why);
    // An update is asked about, too, and a policy that is gone asks nothing.
    let patch = json!({ "data": { "y": "2" } });
    assert_eq!(api.patch(&format!("{maps}/a"), "merge", &patch).await.code, 422);
    api.delete(&format!("{GROUP}/validatingadmissionpolicies/{namespace}")).await.expect(200);
    api.patch(&format!("{maps}/a"), "merge", &patch).await.expect(200);
    api.delete(&format!("{GROUP}/validatingadmissionpolicybindings/{namespace}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_warns() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let spec =
        json!({ "validations": [{ "expression": "has(object.metadata.labels)", "message": "no labels" }] });
    validate(&api, &namespace, spec, &["Warn", "Audit"], json!({})).await;
    let answer = api.post(&format!("/api/v1/namespaces/{namespace}/configmaps"), &map("a", json!({}))).await;
    assert_eq!(answer.code, 201);
    let warning = answer.headers["warning"].to_str().unwrap();
    let said = format!(
        "Validation failed for ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}': no labels"
    );
    assert!(warning.contains(&said), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_resources_parametrise_policies() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let group = format!("{namespace}.example.com");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("limits.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": "limits", "singular": "limit", "kind": "Limit", "listKind": "LimitList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "properties": { "most": { "type": "integer" } } } } }],
        },
    });
    api.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await.expect(201);
    let established = format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?watch=1&fieldSelector=metadata.name=limits.{group}"
    );
    api.watch_until(&established, |event| {
        let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
    })
    .await;
    let limits = format!("/apis/{group}/v1/namespaces/{namespace}/limits");
    let limit = json!({ "apiVersion": format!("{group}/v1"), "kind": "Limit", "metadata": { "name": "l" }, "most": 1 });
    let spec = json!({
        "paramKind": { "apiVersion": format!("{group}/v1"), "kind": "Limit" },
        "validations": [{ "expression": "object.data.size() <= params.most" }],
    });
    let reference = json!({ "paramRef": { "name": "l", "parameterNotFoundAction": "Deny" } });
    validate(&api, &namespace, spec, &["Deny"], reference).await;
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    let missing = api.post(&maps, &map("a", json!({ "x": "1" }))).await;
    assert!(missing.message().contains("no params found for policy binding with `Deny`"), "{}", missing.text);
    api.post(&limits, &limit).await.expect(201);
    api.post(&maps, &map("a", json!({ "x": "1" }))).await.expect(201);
    let two = api.post(&maps, &map("b", json!({ "x": "1", "y": "2" }))).await;
    assert!(two.message().ends_with("failed expression: object.data.size() <= params.most"), "{}", two.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_are_looked_at_with_the_types_of_their_kinds() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let mut spec = json!({ "validations": [{ "expression": "object.spec.replicas > '1'" }] });
    spec["matchConstraints"] = constraints("apps", "deployments", &namespace);
    validate(&api, &namespace, spec, &["Deny"], json!({})).await;
    let path = format!("{GROUP}/validatingadmissionpolicies?watch=1&fieldSelector=metadata.name={namespace}");
    let seen = api.watch_until(&path, |event| event["object"]["status"]["observedGeneration"] == 1).await;
    let warnings = &seen.last().unwrap()["object"]["status"]["typeChecking"]["expressionWarnings"];
    assert_eq!(warnings[0]["fieldRef"], "spec.validations[0].expression");
    let warning = warnings[0]["warning"].as_str().unwrap();
    assert!(warning.starts_with("apps/v1, Kind=Deployment: "), "{warning}");
    assert!(warning.contains("found no matching overload for '_>_' applied to '(int, string)'"), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutating_policy_changes_objects() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let mut spec = json!({
        "reinvocationPolicy": "Never",
        "mutations": [
            { "patchType": "ApplyConfiguration", "applyConfiguration": {
                "expression": "Object{metadata: Object.metadata{labels: {'by': request.userInfo.username.size() > 0 ? 'policy' : ''}}}" } },
            { "patchType": "JSONPatch", "jsonPatch": {
                "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a.io/seen'), value: object.metadata.labels['by']}]" } },
        ],
    });
    spec["matchConstraints"] = constraints("", "configmaps", &namespace);
    let policy = json!({ "metadata": { "name": namespace }, "spec": spec });
    api.post(&format!("{GROUP}/mutatingadmissionpolicies"), &policy).await.expect(201);
    let bound = json!({ "metadata": { "name": namespace }, "spec": { "policyName": namespace } });
    api.post(&format!("{GROUP}/mutatingadmissionpolicybindings"), &bound).await.expect(201);
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    let made = api.post(&maps, &map("a", json!({ "x": "1" }))).await.expect(201);
    assert_eq!(made["metadata"]["labels"], json!({ "by": "policy", "a.io/seen": "policy" }));
    assert_eq!(made["data"], json!({ "x": "1" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_is_refused() {
    let api = Api::start().await;
    let policy = json!({ "metadata": { "name": "x" }, "spec": {
        "matchConstraints": constraints("", "configmaps", "x"),
        "validations": [{ "expression": "object.metadata.name ==" }],
    } });
    let refused = api.post(&format!("{GROUP}/validatingadmissionpolicies"), &policy).await;
    assert_eq!(refused.code, 422);
    let said = refused.message();
    assert!(said.starts_with("ValidatingAdmissionPolicy.admissionregistration.k8s.io \"x\" is invalid: spec.validations[0].expression: Invalid value: "), "{said}");
    assert!(said.contains("compilation failed: ERROR: <input>:1:24: Syntax error: "), "{said}");
}
