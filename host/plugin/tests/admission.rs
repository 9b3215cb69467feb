//! The admission checks as components.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use orch_plugin::Limits;
use orch_plugin::calls::admission::{AdmissionPlugin, Delta, Operation};
use orch_plugin::relevance::Asked;
use orch_plugin::worlds::AdmissionComponent;
use serde_json::{Value, json};

fn load(name: &str) -> Arc<AdmissionComponent> {
    support::engine().load_admission(name, &support::policy(name), &json!({}), Limits::default()).unwrap()
}

fn create(resource: &str, namespace: &str, object: Value) -> String {
    json!({
        "uid": "r-1", "operation": "CREATE", "namespace": namespace, "name": "web", "object": object,
        "resource": {"group": "", "version": "v1", "resource": resource}, "oldObject": null, "options": null,
        "kind": {"group": "", "version": "v1", "kind": "Pod"}, "userInfo": {"username": "u"}, "dryRun": false,
    })
    .to_string()
}

#[test]
fn namespaces_are_known_as_they_come_and_go() {
    let check = load("namespace-lifecycle");
    let description = check.description();
    assert!(description.mutates, "what changes objects must not miss a namespace");
    assert_eq!(description.rules[0].operations, [Operation::Create, Operation::Delete]);
    assert_eq!(description.interests[0].kind, "Namespace");
    let namespace = |name: &str| json!({"kind": "Namespace", "metadata": {"name": name}}).to_string();
    check.sync(&[Delta::Upsert(namespace("a")), Delta::Upsert(namespace("b"))]).unwrap();
    check.sync(&[Delta::Remove(namespace("b"))]).unwrap();
    assert!(check.review(&create("pods", "a", json!({}))).unwrap().is_ok());
    let denied = check.review(&create("pods", "b", json!({}))).unwrap().unwrap_err();
    assert_eq!((denied.code, denied.reason.as_str()), (404, "NotFound"));
    assert_eq!(denied.message, "namespaces \"b\" not found");
}

#[test]
fn checks_say_which_requests_matter() {
    assert!(load("priority").conditions().is_empty());
    let restriction = load("node-restriction").conditions();
    assert_eq!(
        (restriction.len(), restriction[0].groups.as_slice()),
        (1, ["system:nodes".into()].as_slice())
    );
    let security = load("pod-security");
    let by_label = security.conditions();
    assert!(by_label[0].resources.contains(&"pods".into()) && by_label[0].resources.contains(&"jobs".into()));
    assert!(!by_label[0].resources.contains(&"namespaces".into()));
    assert_eq!(by_label[0].namespace_labels, ["pod-security.kubernetes.io/*"]);
    security.configure(&json!({"defaults": {"enforce": "baseline"}})).unwrap();
    assert!(security.conditions().is_empty(), "the defaults concern every namespace");
    security.configure(&json!({})).unwrap();
    assert_eq!(security.conditions(), by_label);
}

#[test]
fn requests_that_look_the_same_share_an_answer_until_a_class_changes() {
    let check = load("priority");
    let pods = Asked { resource: "pods", subresource: "", groups: &[], namespace: "a" };
    let cut = check.view().of(&pods).unwrap();
    let pod = |name: &str, class: &str| {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [], "priorityClassName": class}});
        let whole: Value = serde_json::from_str(&create("pods", "a", pod)).unwrap();
        cut.apply(&whole)
    };
    let class = |value: i64| json!({"kind": "PriorityClass", "metadata": {"name": "c"}, "value": value});
    let asked = || check.stats().calls;
    let patch = |class: &str| check.review_cut(&pod("x", class)).unwrap().map(|admitted| admitted.patch);
    check.sync(&[Delta::Upsert(class(7).to_string())]).unwrap();
    let first = patch("c").unwrap();
    assert!(first.contains('7'), "{first}");
    assert_eq!(pod("x", "c"), pod("y", "c"));
    let before = asked();
    assert_eq!(patch("c").unwrap(), first);
    assert_eq!(asked(), before, "the answer was known");
    check.sync(&[Delta::Upsert(class(8).to_string())]).unwrap();
    assert!(patch("c").unwrap().contains('8'));
    let before = asked();
    assert!(patch("none").is_err() && patch("none").is_err());
    assert_eq!(asked(), before + 2, "refusals are asked for again");
}

#[test]
fn pods_get_their_account_and_its_token() {
    let check = load("service-account-admission");
    assert!(check.description().mutates);
    let account = json!({"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "a"}});
    check.sync(&[Delta::Upsert(account.to_string())]).unwrap();
    let pod = json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c"}]}});
    let admitted = check.review(&create("pods", "a", pod.clone())).unwrap().unwrap();
    let patch: Value = serde_json::from_str(&admitted.patch).unwrap();
    let paths: Vec<&str> = patch.as_array().unwrap().iter().filter_map(|op| op["path"].as_str()).collect();
    assert_eq!(
        paths,
        [
            "/spec/containers/0/volumeMounts",
            "/spec/serviceAccount",
            "/spec/serviceAccountName",
            "/spec/volumes",
        ]
    );
    assert_eq!(check.review(&create("pods", "b", pod)).unwrap().unwrap_err().code, 403);
}

#[test]
fn pods_get_the_priority_of_their_class() {
    let check = load("priority");
    assert!(check.description().mutates);
    let class = json!({"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"});
    check.sync(&[Delta::Upsert(class.to_string())]).unwrap();
    let pod = |class: &str| json!({"metadata": {"name": "web"}, "spec": {"priorityClassName": class}});
    let admitted = check.review(&create("pods", "a", pod("high"))).unwrap().unwrap();
    let patch: Value = serde_json::from_str(&admitted.patch).unwrap();
    let set: Vec<&Value> = patch.as_array().unwrap().iter().map(|op| &op["value"]).collect();
    assert_eq!(set, [&json!("Never"), &json!(7)]);
    let denied = check.review(&create("pods", "a", pod("low"))).unwrap().unwrap_err();
    assert_eq!((denied.code, denied.reason.as_str()), (403, "Forbidden"));
}

#[test]
fn a_quota_counts_what_it_is_told_of() {
    let check = load("resource-quota");
    let kinds: Vec<&str> = check.description().interests.iter().map(|i| i.kind.as_str()).collect();
    assert_eq!((kinds, check.description().mutates), (vec!["ResourceQuota", "*"], false));
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "1"}},
        "metadata": {"name": "q", "namespace": "a", "creationTimestamp": "2026-11-21T12:00:00Z"}});
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "a"}, "spec": {}});
    check.sync(&[Delta::Upsert(quota.to_string())]).unwrap();
    assert!(check.review(&create("pods", "a", pod.clone())).unwrap().is_ok());
    check.sync(&[Delta::Upsert(pod.to_string())]).unwrap();
    let denied = check.review(&create("pods", "a", pod)).unwrap().unwrap_err();
    assert_eq!(denied.message, "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1");
}

#[test]
fn pods_are_judged_by_their_namespaces_labels() {
    let check = load("pod-security");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    check.sync(&[Delta::Upsert(namespace.to_string())]).unwrap();
    let pod =
        json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {"hostPID": true, "containers": []}});
    let denied = check.review(&create("pods", "a", pod.clone())).unwrap().unwrap_err();
    assert_eq!(denied.message, "violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true)");
    assert!(check.review(&create("pods", "b", pod)).unwrap().is_ok());
}

#[test]
fn a_request_that_is_none_is_denied_not_trapped() {
    let check = load("default-toleration-seconds");
    let denied = check.review("{}").unwrap().unwrap_err();
    assert_eq!(denied.code, 500);
    assert_eq!(check.stats().traps, 0);
}
