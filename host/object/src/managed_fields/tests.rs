use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema::{Node, Schemas};

fn root(definition: &str) -> Option<Node<'static>> {
    let node = Schemas::builtin().root(definition);
    assert!(node.is_some(), "{definition}");
    node
}

fn manager(name: &str, second: i64) -> FieldManager<'_> {
    FieldManager {
        name,
        api_version: "v1",
        subresource: "",
        now: Timestamp::from_second(second).unwrap(),
        ignored: &["status"],
    }
}

fn status_manager(name: &str, second: i64) -> FieldManager<'_> {
    FieldManager { subresource: "status", ignored: &["spec"], ..manager(name, second) }
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default", "uid": "1", "labels": {"run": "web"}},
        "spec": {
            "containers": [{
                "name": "web", "image": "nginx", "resources": {},
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
            }],
            "restartPolicy": "Always", "securityContext": {},
        },
        "status": {"phase": "Pending"},
    })
}

fn recorded(old: Option<&Value>, mut new: Value, by: &FieldManager<'_>) -> Value {
    record_update(old, &mut new, root("io.k8s.api.core.v1.Pod"), by);
    new
}

fn entries(object: &Value) -> &[Value] {
    object.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[test]
fn a_create_owns_what_it_sets_as_upstream_prints_it() {
    let created = recorded(None, pod(), &manager("kubectl-run", 0));
    let expected = json!([{
        "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kubectl-run", "operation": "Update",
        "time": "1970-01-01T00:00:00Z",
        "fieldsV1": {
            "f:metadata": {"f:labels": {".": {}, "f:run": {}}},
            "f:spec": {
                "f:containers": {
                    "k:{\"name\":\"web\"}": {
                        ".": {}, "f:image": {}, "f:name": {}, "f:resources": {},
                        "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                            ".": {}, "f:containerPort": {}, "f:protocol": {},
                        }},
                    },
                },
                "f:restartPolicy": {},
                "f:securityContext": {},
            },
        },
    }]);
    // An empty security context is what an empty PodSpec has not: it is held by pointer.
    assert_eq!(created["metadata"]["managedFields"], expected);
}

#[test]
fn a_status_update_has_an_entry_of_its_own() {
    let created = recorded(None, pod(), &manager("kubectl-run", 0));
    let mut running = created.clone();
    running["status"] = json!({
        "phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    });
    let running = recorded(Some(&created), running, &status_manager("kubelet", 60));
    assert_eq!(entries(&running).len(), 2);
    let kubelet = &entries(&running)[1];
    assert_eq!(kubelet["subresource"], "status");
    assert_eq!(kubelet["time"], "1970-01-01T00:01:00Z");
    assert_eq!(
        kubelet["fieldsV1"],
        json!({"f:status": {
            "f:phase": {},
            "f:conditions": {".": {}, "k:{\"type\":\"Ready\"}": {".": {}, "f:status": {}, "f:type": {}}},
            "f:podIPs": {".": {}, "k:{\"ip\":\"10.0.0.1\"}": {".": {}, "f:ip": {}}},
        }})
    );
}

#[test]
fn a_write_without_change_leaves_no_trace() {
    let created = recorded(None, pod(), &manager("a", 0));
    let again = recorded(Some(&created), created.clone(), &manager("b", 60));
    assert_eq!(again, created);
    let mut without = created.clone();
    take_managed_fields(&mut without);
    assert_eq!(recorded(Some(&created), without, &manager("b", 60)), created);
}

#[test]
fn changed_fields_change_hands_and_empty_entries_go() {
    let created = recorded(None, pod(), &manager("a", 0));
    let mut changed = created.clone();
    changed["metadata"]["labels"]["run"] = "other".into();
    let changed = recorded(Some(&created), changed, &manager("b", 60));
    assert_eq!(entries(&changed).len(), 2);
    assert_eq!(entries(&changed)[1]["fieldsV1"], json!({"f:metadata": {"f:labels": {"f:run": {}}}}));
    assert_eq!(entries(&changed)[0]["fieldsV1"]["f:metadata"], json!({"f:labels": {}}));
    let mut back = changed.clone();
    back["metadata"]["labels"]["run"] = "third".into();
    let back = recorded(Some(&changed), back, &manager("a", 120));
    assert_eq!(entries(&back).len(), 1);
    assert_eq!(entries(&back)[0]["fieldsV1"], entries(&created)[0]["fieldsV1"]);
}

#[test]
fn a_removal_alone_stamps_nobody() {
    let created = recorded(None, pod(), &manager("a", 0));
    let mut changed = created.clone();
    changed["metadata"].as_object_mut().unwrap().remove("labels");
    let changed = recorded(Some(&created), changed, &manager("b", 60));
    assert_eq!(entries(&changed).len(), 1);
    assert_eq!(entries(&changed)[0]["time"], "1970-01-01T00:00:00Z");
    assert_eq!(entries(&changed)[0]["fieldsV1"].get("f:metadata"), None);
}

#[test]
fn clients_may_end_the_tracking_but_not_by_accident() {
    let created = recorded(None, pod(), &manager("a", 0));
    for reset in [json!([]), json!([{}])] {
        let mut new = created.clone();
        new["metadata"]["managedFields"] = reset.clone();
        new["metadata"]["labels"]["run"] = "x".into();
        let untracked = recorded(Some(&created), new, &manager("b", 60));
        assert_eq!(entries(&untracked), [] as [Value; 0]);
        let mut next = untracked.clone();
        next["metadata"]["labels"]["run"] = "y".into();
        assert_eq!(entries(&recorded(Some(&untracked), next, &manager("b", 60))), [] as [Value; 0]);
        let mut by_status = created.clone();
        by_status["metadata"]["managedFields"] = reset;
        assert_eq!(recorded(Some(&created), by_status, &status_manager("b", 60)), created);
    }
    let mut garbage = created.clone();
    garbage["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    assert_eq!(recorded(Some(&created), garbage, &manager("b", 60)), created);
}

#[test]
fn the_oldest_updaters_are_folded() {
    let mut object = recorded(None, pod(), &manager("first", 0));
    let names: Vec<String> = (0..14).map(|i| format!("m{i:02}")).collect();
    for (second, name) in names.iter().enumerate() {
        let mut next = object.clone();
        next["metadata"]["labels"][name] = "x".into();
        object = recorded(Some(&object), next, &manager(name, second as i64 + 1));
    }
    assert_eq!(entries(&object).len(), 10);
    assert_eq!(entries(&object)[0]["manager"], "ancient-changes");
    let labels = &entries(&object)[0]["fieldsV1"]["f:metadata"]["f:labels"];
    assert!(labels.get("f:m04").is_some() && labels.get("f:run").is_some(), "{labels}");
}

#[test]
fn custom_resources_own_their_structs() {
    let mut new = json!({"apiVersion": "x/v1", "kind": "Foo", "metadata": {"name": "a"}, "spec": {"a": 1}});
    record_update(None, &mut new, None, &manager("m", 0));
    assert_eq!(entries(&new)[0]["fieldsV1"], json!({"f:spec": {".": {}, "f:a": {}}}));
}

#[test]
fn manager_names() {
    assert_eq!(manager_name("", "kubectl/v1.33.1 (linux/amd64)"), "kubectl");
    assert_eq!(manager_name("own", "kubectl/v1"), "own");
    assert_eq!(manager_name("", &"é".repeat(200)).len(), 128);
    assert_eq!(manager_name("", ""), "");
}

fn paths() -> impl Strategy<Value = Vec<Vec<String>>> {
    let element = prop_oneof!["f:[a-c]", "k:\\{\"name\":\"[ab]\"\\}", "v:[12]"];
    prop::collection::vec(prop::collection::vec(element, 1..4), 0..8)
}

fn set(paths: &[Vec<String>]) -> FieldSet {
    let mut set = FieldSet::default();
    for path in paths {
        set.insert(&path.iter().map(String::as_str).collect::<Vec<_>>());
    }
    set
}

fn sorted(set: &FieldSet) -> std::collections::BTreeSet<Vec<String>> {
    set.paths().into_iter().map(|path| path.into_iter().map(str::to_owned).collect()).collect()
}

proptest! {
    #[test]
    fn sets_are_sets(left in paths(), right in paths()) {
        let (a, b) = (set(&left), set(&right));
        let (plain_a, plain_b) = (left.into_iter().collect(), right.into_iter().collect());
        prop_assert_eq!(&sorted(&a), &plain_a);
        let mut union = a.clone();
        union.add(&b);
        prop_assert_eq!(sorted(&union), &plain_a | &plain_b);
        let mut difference = a.clone();
        let changed = difference.subtract(&b);
        prop_assert_eq!(sorted(&difference), &plain_a - &plain_b);
        prop_assert_eq!(changed, difference != a);
        prop_assert_eq!(sorted(&a.intersection(&b)), &plain_a & &plain_b);
        for path in &plain_a {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            prop_assert!(a.contains(&path));
        }
    }

    #[test]
    fn the_wire_form_is_canonical(paths in paths()) {
        let set = set(&paths);
        prop_assert_eq!(&FieldSet::from_wire(&set.clone().into_wire()).unwrap(), &set);
    }

    /// Whatever is written by whom: each field of the object that anybody wrote has an owner.
    #[test]
    fn ownership_is_never_lost(writes in prop::collection::vec(("[abc]", "[kl]", proptest::option::of("[12]")), 1..8)) {
        let mut object = recorded(None, pod(), &manager("creator", 0));
        for (second, (by, label, value)) in writes.into_iter().enumerate() {
            let mut next = object.clone();
            match value {
                Some(value) => next["metadata"]["labels"][&label] = value.into(),
                None => { next["metadata"]["labels"].as_object_mut().unwrap().remove(&label); }
            }
            object = recorded(Some(&object), next, &manager(&by, second as i64 + 1));
            let mut all = FieldSet::default();
            for entry in Entries::stored(Some(&object)).0 {
                all.add(&entry.fields);
            }
            let mut expected = everything(&object, root("io.k8s.api.core.v1.Pod"), &manager("x", 0));
            expected.subtract(&all);
            prop_assert!(expected.is_empty(), "{:?}", expected.paths());
        }
    }
}

#[test]
fn what_is_always_written_is_a_value_when_it_is_null() {
    let role = root("io.k8s.api.rbac.v1.Role");
    let owned = |old: Option<&Value>, new: Value| {
        let mut new = new;
        record_update(old, &mut new, role, &manager("m", 0));
        entries(&new).first().map_or(Value::Null, |entry| entry["fieldsV1"].clone())
    };
    let rule = json!([{ "verbs": ["get"] }]);
    // As long as it is not stored, an empty list is another thing than none.
    assert_eq!(owned(None, json!({ "metadata": {}, "rules": [] })), json!({ "f:rules": {} }));
    assert_eq!(owned(None, json!({ "metadata": {}, "rules": null })), Value::Null);
    let mut old = json!({ "metadata": {}, "rules": rule });
    record_update(None, &mut old, role, &manager("other", 0));
    assert_eq!(owned(Some(&old), json!({ "metadata": {}, "rules": null })), json!({ "f:rules": {} }));
}

#[test]
fn free_form_is_owned_as_one() {
    let mut revision = json!({ "metadata": {}, "data": { "a": { "b": 1 } }, "revision": 0 });
    record_update(None, &mut revision, root("io.k8s.api.apps.v1.ControllerRevision"), &manager("m", 0));
    assert_eq!(entries(&revision)[0]["fieldsV1"], json!({ "f:data": {} }));
}

#[test]
fn what_upstreams_types_write_as_null_is_owned() {
    let node = root("io.k8s.api.core.v1.Node");
    let shaped = |mut object: Value| {
        crate::schema::fill(node.unwrap(), &mut object);
        object
    };
    let old = shaped(json!({"metadata": {"name": "n", "managedFields": [
        {"manager": "a", "operation": "Update", "apiVersion": "v1", "time": "1970-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:podCIDR": {}}}}]}, "spec": {"podCIDR": "x"}}));
    let mut new = old.clone();
    new["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let mut new = shaped(new);
    record_update(Some(&old), &mut new, node, &status_manager("b", 60));
    let expected = json!({"f:status": {"f:conditions": {".": {}, "k:{\"type\":\"Ready\"}": {
        ".": {}, "f:lastHeartbeatTime": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}}}});
    assert_eq!(entries(&new)[1]["fieldsV1"], expected);
    // A list that a client empties is one that it says.
    let range = root("io.k8s.api.core.v1.LimitRange");
    let mut empty = json!({"metadata": {"name": "r"}, "spec": {"limits": []}});
    crate::schema::fill(range.unwrap(), &mut empty);
    record_update(None, &mut empty, range, &manager("a", 0));
    assert_eq!(entries(&empty)[0]["fieldsV1"], json!({"f:spec": {"f:limits": {}}}));
}

#[test]
fn nobody_owns_what_cannot_be_told_apart() {
    let account = root("io.k8s.api.core.v1.ServiceAccount");
    let mut keyless = json!({"metadata": {"name": "a"}, "secrets": [{}]});
    record_update(None, &mut keyless, account, &manager("a", 0));
    assert_eq!(entries(&keyless), [] as [Value; 0]);
    let mut old = json!({"metadata": {"name": "a"}, "secrets": [{"name": "s"}]});
    record_update(None, &mut old, account, &manager("a", 0));
    keyless["metadata"]["labels"] = json!({"x": "y"});
    record_update(Some(&old), &mut keyless, account, &manager("b", 60));
    assert_eq!(entries(&keyless), entries(&old));
}

#[test]
fn what_a_certificate_request_asks_is_nobodys() {
    let kinds = crate::Kinds::builtin();
    let request = kinds.by_kind("certificates.k8s.io/v1", "CertificateSigningRequest").expect("built in");
    assert_eq!(reset_fields(request, ""), ["spec", "status"]);
    assert_eq!(reset_fields(request, "status"), ["spec", "status.conditions"]);
    assert_eq!(reset_fields(request, "approval"), ["spec", "status.certificate"]);
    let deployment = kinds.by_kind("apps/v1", "Deployment").expect("built in");
    assert_eq!(reset_fields(deployment, "status"), ["spec", "metadata.labels"]);
    let range = kinds.by_kind("networking.k8s.io/v1", "ServiceCIDR").expect("built in");
    assert_eq!(reset_fields(range, "status"), ["spec", "metadata"]);
}
