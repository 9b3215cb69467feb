//! Which requests rules and selectors choose.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

use std::sync::Arc;

use orch_admission::{Matcher, Options, Review};
use orch_client::Identity;
use orch_object::{Kind, Kinds, Status};
use orch_plugin::calls::admission::Operation;
use serde_json::{Value, json};

/// One request; what the tests change of it stands first.
struct Request {
    api_version: &'static str,
    kind: &'static str,
    subresource: &'static str,
    namespace: &'static str,
    name: &'static str,
    operation: Operation,
    object: Value,
    old: Option<Value>,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            api_version: "v1",
            kind: "Pod",
            subresource: "",
            namespace: "default",
            name: "web",
            operation: Operation::Create,
            object: json!({ "metadata": { "name": "web", "labels": { "app": "web" } } }),
            old: None,
        }
    }
}

fn namespace(name: &str) -> Option<Arc<Value>> {
    let stored =
        || json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } } });
    (name == "default").then(|| Arc::new(stored()))
}

/// The version matched, as `group/version`.
fn matched(matcher: &Matcher, request: &Request) -> Result<Option<String>, Status> {
    let kinds = Kinds::builtin();
    let identity = Identity::new("jane", &[]);
    let review = Review {
        uid: "1",
        kind: kinds.by_kind(request.api_version, request.kind).unwrap(),
        subresource: request.subresource,
        namespace: request.namespace,
        name: request.name,
        operation: request.operation,
        identity: &identity,
        old: request.old.as_ref(),
        dry_run: false,
        options: Options::None,
    };
    let found = matcher.matches(&review, &request.object, &kinds, &namespace)?;
    Ok(found.map(Kind::api_version))
}

fn pods(changed: Value) -> Value {
    let mut rule =
        json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] });
    for (field, value) in changed.as_object().unwrap() {
        rule[field] = value.clone();
    }
    rule
}

#[test]
fn a_rule_names_groups_versions_resources_operations_scope_and_names() {
    let cases = [
        (json!({}), true),
        (json!({ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"] }), true),
        (json!({ "apiGroups": ["apps"] }), false),
        (json!({ "apiVersions": ["v2"] }), false),
        (json!({ "operations": ["UPDATE", "DELETE"] }), false),
        (json!({ "resources": ["pods/status"] }), false),
        (json!({ "resources": ["pods/*"] }), true),
        (json!({ "resources": ["*/*"] }), true),
        (json!({ "scope": "Namespaced" }), true),
        (json!({ "scope": "Cluster" }), false),
        (json!({ "scope": "*" }), true),
        (json!({ "resourceNames": ["web"] }), true),
        (json!({ "resourceNames": ["other"] }), false),
    ];
    for (changed, expected) in cases {
        let rules = json!({ "resourceRules": [pods(changed.clone())] });
        let matcher = Matcher::of_resources(&rules).unwrap();
        assert_eq!(matched(&matcher, &Request::default()).unwrap().is_some(), expected, "{changed}");
        let excluded = json!({ "excludeResourceRules": [pods(changed.clone())] });
        let matcher = Matcher::of_resources(&excluded).unwrap();
        assert_eq!(matched(&matcher, &Request::default()).unwrap().is_none(), expected, "excluded {changed}");
    }
}

#[test]
fn without_rules_a_webhook_matches_nothing_and_a_binding_everything() {
    let request = Request::default();
    assert_eq!(matched(&Matcher::of_webhook(&json!({})).unwrap(), &request).unwrap(), None);
    assert_eq!(matched(&Matcher::of_resources(&Value::Null).unwrap(), &request).unwrap(), Some("v1".into()));
}

#[test]
fn other_versions_of_a_resource_count_unless_the_policy_is_exact() {
    let rule = json!({ "apiGroups": ["events.k8s.io"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["events"] });
    let request = Request { kind: "Event", ..Request::default() };
    let matcher = Matcher::of_webhook(&json!({ "rules": [rule], "matchPolicy": "Equivalent" })).unwrap();
    assert_eq!(matched(&matcher, &request).unwrap(), Some("events.k8s.io/v1".into()));
    let exact = Matcher::of_webhook(&json!({ "rules": [rule], "matchPolicy": "Exact" })).unwrap();
    assert_eq!(matched(&exact, &request).unwrap(), None);
}

#[test]
fn an_object_is_selected_by_its_labels_now_or_before() {
    let matcher =
        Matcher::of_resources(&json!({ "objectSelector": { "matchLabels": { "app": "db" } } })).unwrap();
    let request = Request::default();
    assert_eq!(matched(&matcher, &request).unwrap(), None);
    let old = Some(json!({ "metadata": { "labels": { "app": "db" } } }));
    let update = Request { operation: Operation::Update, old: old.clone(), ..Request::default() };
    assert!(matched(&matcher, &update).unwrap().is_some());
    let delete = Request { operation: Operation::Delete, object: Value::Null, old, ..Request::default() };
    assert!(matched(&matcher, &delete).unwrap().is_some());
}

#[test]
fn a_namespace_is_selected_by_its_labels_and_a_new_one_by_those_it_brings() {
    let selector =
        json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "default" } } });
    let matcher = Matcher::of_resources(&selector).unwrap();
    assert!(matched(&matcher, &Request::default()).unwrap().is_some());
    let missing = matched(&matcher, &Request { namespace: "gone", ..Request::default() }).unwrap_err();
    assert_eq!((missing.code, missing.message.as_str()), (404, "namespaces \"gone\" not found"));
    let cluster = Request { kind: "Node", namespace: "", ..Request::default() };
    assert!(matched(&matcher, &cluster).unwrap().is_some());
    let born = |labels: Value| Request {
        kind: "Namespace",
        namespace: "",
        name: "new",
        object: json!({ "metadata": { "name": "new", "labels": labels } }),
        ..Request::default()
    };
    assert_eq!(matched(&matcher, &born(json!({}))).unwrap(), None);
    assert!(matched(&matcher, &born(json!({ "kubernetes.io/metadata.name": "default" }))).unwrap().is_some());
}

#[test]
fn a_missing_namespace_is_no_error_where_the_rules_do_not_match() {
    let matcher = Matcher::of_resources(&json!({
        "namespaceSelector": { "matchLabels": { "a": "b" } },
        "resourceRules": [pods(json!({ "apiGroups": ["apps"] }))],
    }))
    .unwrap();
    assert_eq!(matched(&matcher, &Request { namespace: "gone", ..Request::default() }).unwrap(), None);
}
