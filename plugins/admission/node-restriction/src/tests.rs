use orch_sdk::json;

use super::*;

fn check() -> NodeRestriction {
    let mut check = NodeRestriction::default();
    let pod = |name: &str, node: &str| {
        json!({ "metadata": { "name": name, "namespace": "n", "uid": format!("uid-{name}") },
            "spec": { "nodeName": node, "serviceAccountName": "robot" } })
    };
    check.sync(Delta::Upsert(pod("mine", "a"))).unwrap();
    check.sync(Delta::Upsert(pod("other", "b"))).unwrap();
    check
}

fn ask(
    user: &str,
    operation: &str,
    resource: &str,
    name: &str,
    old: Value,
    object: Value,
) -> Result<(), String> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let request = json!({
        "operation": operation, "resource": { "group": "", "resource": resource }, "subResource": subresource,
        "name": name, "namespace": "n", "object": object, "oldObject": old,
        "userInfo": { "username": user, "groups": ["system:nodes"] },
    });
    let request: Request = orch_sdk::serde_json::from_value(request).unwrap();
    check().review(&request).map(drop).map_err(|denial| denial.message)
}

fn labelled(labels: Value) -> Value {
    json!({ "metadata": { "name": "a", "labels": labels } })
}

#[test]
fn a_node_writes_itself_and_no_label_that_places_workloads() {
    let update = |name: &str, old: Value, new: Value| ask("system:node:a", "UPDATE", "nodes", name, old, new);
    let plain = || labelled(json!({ "kubernetes.io/hostname": "a", "mine": "1" }));
    assert_eq!(update("a", labelled(json!({})), plain()), Ok(()));
    assert!(update("b", plain(), plain()).unwrap_err().contains("not allowed to modify node \"b\""));
    for label in ["node-restriction.kubernetes.io/x", "node-role.kubernetes.io/master", "x.k8s.io/y"] {
        let refused = update("a", plain(), labelled(json!({ label: "1" }))).unwrap_err();
        assert!(refused.ends_with(&format!("is not allowed to modify labels: {label}")), "{refused}");
    }
    assert_eq!(update("a", plain(), labelled(json!({ "x.node.kubernetes.io/y": "1" }))), Ok(()));
    let mut tainted = plain();
    tainted["spec"] = json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] });
    assert!(update("a", plain(), tainted.clone()).unwrap_err().contains("not allowed to modify taints"));
    assert_eq!(ask("jane", "UPDATE", "nodes", "b", plain(), tainted), Ok(()));
}

#[test]
fn a_node_ends_its_own_pods_and_tells_their_status() {
    let pod = |node: &str| json!({ "metadata": { "name": "p" }, "spec": { "nodeName": node } });
    let delete = |name: &str| ask("system:node:a", "DELETE", "pods", name, Value::Null, Value::Null);
    assert_eq!(delete("mine"), Ok(()));
    assert!(delete("other").unwrap_err().contains("can only delete pods"));
    let status = |node: &str| ask("system:node:a", "UPDATE", "pods/status", "p", pod(node), pod(node));
    assert_eq!(status("a"), Ok(()));
    assert!(status("b").is_err());
    let refused = ask("system:node:a", "CREATE", "pods", "p", Value::Null, pod("a")).unwrap_err();
    assert!(refused.contains("can only create mirror pods"), "{refused}");
    let mirror = json!({ "metadata": { "name": "p", "annotations": { MIRROR: "x" }, "ownerReferences": [
        { "apiVersion": "v1", "kind": "Node", "name": "a", "controller": true }] }, "spec": { "nodeName": "a" } });
    assert_eq!(ask("system:node:a", "CREATE", "pods", "p", Value::Null, mirror.clone()), Ok(()));
    let mut secret = mirror;
    secret["spec"]["volumes"] = json!([{ "name": "v", "secret": { "secretName": "s" } }]);
    assert!(ask("system:node:a", "CREATE", "pods", "p", Value::Null, secret).is_err());
}

#[test]
fn a_node_asks_for_certificates_of_pods_it_runs() {
    let asked = |pod: &str, uid: &str, node: &str, account: &str| {
        let spec = json!({ "podName": pod, "podUID": uid, "nodeName": node, "serviceAccountName": account });
        ask("system:node:a", "CREATE", "podcertificaterequests", "", Value::Null, json!({ "spec": spec }))
    };
    assert_eq!(asked("mine", "uid-mine", "a", "robot"), Ok(()));
    assert!(asked("mine", "uid-mine", "b", "robot").unwrap_err().contains("not the requesting node"));
    assert!(asked("other", "uid-other", "a", "robot").unwrap_err().contains("is not running on node"));
    assert!(asked("mine", "uid-old", "a", "robot").unwrap_err().contains("differs from running pod"));
    assert!(asked("mine", "uid-mine", "a", "root").unwrap_err().contains("serviceAccountName"));
    assert!(asked("gone", "uid", "a", "robot").is_err());
}
