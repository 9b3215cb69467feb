use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::schema::{Node, Schemas};

fn node(definition: &str) -> Option<Node<'static>> {
    let node = Schemas::builtin().root(definition);
    assert!(node.is_some(), "{definition}");
    node
}

fn pod_spec() -> Option<Node<'static>> {
    node("io.k8s.api.core.v1.PodSpec")
}

#[track_caller]
fn strategic(object: Value, patch: Value) -> Value {
    strategic_merge_patch(&object, &patch, pod_spec()).unwrap()
}

#[test]
fn json_patch_operations() {
    let object = json!({"metadata": {"labels": {"a": "1"}}, "list": [1, 2]});
    let operations = json!([
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "test", "path": "/metadata/annotations", "value": null},
        {"op": "add", "path": "/metadata/labels/b~1c", "value": "2"},
        {"op": "replace", "path": "/list/0", "value": 9},
        {"op": "add", "path": "/list/-", "value": 3},
        {"op": "copy", "from": "/metadata/labels/a", "path": "/metadata/labels/d"},
        {"op": "remove", "path": "/metadata/labels/a"},
    ]);
    let patched = json_patch(&object, &operations).unwrap();
    assert_eq!(patched, json!({"metadata": {"labels": {"b/c": "2", "d": "1"}}, "list": [9, 2, 3]}));
}

#[test]
fn json_patch_errors() {
    let object = json!({"a": 1});
    let refused = |operations: Value| json_patch(&object, &operations).unwrap_err();
    assert!(matches!(refused(json!({"op": "add"})), PatchError::Malformed(_)));
    assert!(matches!(refused(json!([{"op": "jump", "path": "/a"}])), PatchError::Unprocessable(_)));
    assert!(matches!(refused(json!([{"op": "remove", "path": "/b"}])), PatchError::Unprocessable(_)));
    assert!(matches!(
        refused(json!([{"op": "replace", "path": "/b", "value": 1}])),
        PatchError::Unprocessable(_)
    ));
    assert!(matches!(
        refused(json!([{"op": "test", "path": "/a", "value": 2}])),
        PatchError::Unprocessable(_)
    ));
    let many = vec![json!({"op": "test", "path": "/a", "value": 1}); 10_001];
    let status = crate::Status::from(refused(Value::from(many)));
    assert_eq!(status.code, 413);
    assert_eq!(
        status.message,
        "Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
    let status = crate::Status::from(refused(json!([{"op": "remove", "path": "/b"}])));
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(status.message, "the server rejected our request due to an error in our request");
}

#[test]
fn copies_are_bounded() {
    let object = json!({"a": "x".repeat(1024 * 1024), "b": {}});
    let copy = |to: usize| json!({"op": "copy", "from": "/a", "path": format!("/b/{to}")});
    let operations: Vec<Value> = (0..4).map(copy).collect();
    assert!(matches!(json_patch(&object, &Value::from(operations)), Err(PatchError::Unprocessable(_))));
}

#[test]
fn merge_patch_follows_the_rfc() {
    let object = json!({"a": {"b": 1, "c": [1]}, "d": 2});
    let patched =
        merge_patch(&object, &json!({"a": {"b": null, "c": [2, 3]}, "e": {"f": null, "g": 1}})).unwrap();
    assert_eq!(patched, json!({"a": {"c": [2, 3]}, "d": 2, "e": {"g": 1}}));
    assert!(merge_patch(&object, &json!([])).is_err());
}

#[test]
fn containers_merge_by_name() {
    let merged = strategic(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
        json!({"containers": [{"name": "c", "image": "2"}, {"name": "b", "image": "2"}]}),
    );
    // Items of the patch come first, unless the live order knows better.
    let expected = json!({"containers": [
        {"name": "c", "image": "2"}, {"name": "a", "image": "1"}, {"name": "b", "image": "2"},
    ]});
    assert_eq!(merged, expected);
}

#[test]
fn null_removes_and_directives_steer() {
    let pod = json!({
        "nodeName": "n", "dnsPolicy": "None",
        "containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}],
    });
    let merged = strategic(
        pod.clone(),
        json!({"nodeName": null, "containers": [
            {"name": "a", "env": [{"name": "X", "$patch": "delete"}, {"name": "Y", "value": "2"}]},
            {"name": "b", "$patch": "delete"},
        ]}),
    );
    let expected = json!({"dnsPolicy": "None", "containers": [
        {"name": "a", "image": "1", "env": [{"name": "Y", "value": "2"}]},
    ]});
    assert_eq!(merged, expected);
    let replaced = strategic(pod.clone(), json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}));
    assert_eq!(replaced["containers"], json!([{"name": "z"}]));
    let replaced = strategic(pod, json!({"$patch": "replace", "nodeName": "m"}));
    assert_eq!(replaced, json!({"nodeName": "m"}));
}

#[test]
fn retained_keys_clear_the_rest() {
    let pod = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
    let patch =
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]});
    assert_eq!(
        strategic(pod.clone(), patch),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]})
    );
    let wrong = json!({"volumes": [{"name": "v", "$retainKeys": ["name"], "hostPath": {"path": "/x"}}]});
    let error = strategic_merge_patch(&pod, &wrong, pod_spec()).unwrap_err();
    assert_eq!(error.to_string(), "invalid patch format of retainKeys");
}

#[test]
fn element_order_is_set() {
    let pod = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "server"}]});
    let patch = json!({
        "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
        "containers": [{"name": "c", "image": "3"}],
    });
    let merged = strategic(pod, patch);
    let names: Vec<&str> =
        merged["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b", "c", "a", "server"]);
    let wrong = json!({"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "c"}]});
    let error = strategic_merge_patch(&json!({"containers": []}), &wrong, pod_spec()).unwrap_err();
    assert!(error.to_string().starts_with("The order in patch list:"), "{error}");
}

#[test]
fn finalizers_are_a_set_of_scalars() {
    let node = node("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let object = json!({"finalizers": ["a", "b", "c"]});
    let patch = json!({"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]});
    let patched = strategic_merge_patch(&object, &patch, node).unwrap();
    let mut left: Vec<&str> =
        patched["finalizers"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["a", "c", "d"]);
    let patch = json!({"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"]});
    let patched = strategic_merge_patch(&object, &patch, node).unwrap();
    assert_eq!(patched["finalizers"], json!(["b", "c", "d", "a"]));
}

#[test]
fn a_missing_merge_key_is_named() {
    let error = strategic_merge_patch(
        &json!({"containers": [{"name": "a"}]}),
        &json!({"containers": [{"image": "x"}]}),
        pod_spec(),
    );
    let message = "map: map[image:x] does not contain declared merge key: name";
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn new_values_lose_nulls_and_directives() {
    let merged = strategic(
        json!({}),
        json!({"containers": [{"name": "a", "image": null, "$setElementOrder/ports": []}, {"name": "b", "$patch": "delete"}],
               "securityContext": {"runAsUser": null, "fsGroup": 1}}),
    );
    assert_eq!(merged, json!({"containers": [{"name": "a"}], "securityContext": {"fsGroup": 1}}));
}

/// The patch from `old` to `new` for maps of plain fields and lists merged by `name`.
fn strategic_diff(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match (old.get(key), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Array(before)), Value::Array(after)) => {
                patch.insert(
                    format!("$setElementOrder/{key}"),
                    after.iter().map(|i| json!({"name": i["name"]})).collect(),
                );
                let of = |items: &[Value], name: &Value| items.iter().find(|i| &i["name"] == name).cloned();
                let mut items: Vec<Value> = Vec::new();
                for item in after {
                    let mut change = strategic_diff(&of(before, &item["name"]).unwrap_or(Value::Null), item);
                    change["name"] = item["name"].clone();
                    items.push(change);
                }
                for item in before.iter().filter(|i| of(after, &i["name"]).is_none()) {
                    items.push(json!({"name": item["name"], "$patch": "delete"}));
                }
                patch.insert(key.clone(), Value::Array(items));
            }
            (Some(before @ Value::Object(_)), after @ Value::Object(_)) => {
                patch.insert(key.clone(), strategic_diff(before, after));
            }
            (_, after) => {
                patch.insert(key.clone(), after.clone());
            }
        }
    }
    Value::Object(patch)
}

fn named(of: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-e]", of, 0..4).prop_flat_map(|items| {
        let items: Vec<Value> = items
            .into_iter()
            .map(|(name, mut item)| {
                item["name"] = name.into();
                item
            })
            .collect();
        Just(items).prop_shuffle().prop_map(Value::Array)
    })
}

fn containers() -> impl Strategy<Value = Value> {
    let env = named("[xy]".prop_map(|value| json!({"value": value})));
    let container = ("[12]", proptest::option::of(env)).prop_map(|(image, env)| match env {
        Some(env) => json!({"image": image, "env": env}),
        None => json!({"image": image}),
    });
    let labels = prop::collection::btree_map("[a-c]", "[12]", 0..3);
    (named(container.boxed()), labels)
        .prop_map(|(containers, labels)| json!({"containers": containers, "nodeSelector": labels}))
}

proptest! {
    #[test]
    fn a_strategic_diff_leads_from_one_to_the_other(old in containers(), new in containers()) {
        let patch = strategic_diff(&old, &new);
        prop_assert_eq!(strategic_merge_patch(&old, &patch, pod_spec()).unwrap(), new);
    }

    #[test]
    fn an_empty_patch_changes_nothing(object in containers()) {
        prop_assert_eq!(&strategic_merge_patch(&object, &json!({}), pod_spec()).unwrap(), &object);
        prop_assert_eq!(&merge_patch(&object, &json!({})).unwrap(), &object);
        prop_assert_eq!(&json_patch(&object, &json!([])).unwrap(), &object);
    }

    #[test]
    fn merge_keys_stay_unique(old in containers(), patch in containers()) {
        let merged = strategic_merge_patch(&old, &patch, pod_spec()).unwrap();
        let mut names: Vec<String> = merged["containers"].as_array().unwrap().iter().map(|c| c["name"].to_string()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), count);
        for container in patch["containers"].as_array().unwrap() {
            let found = merged["containers"].as_array().unwrap().iter().find(|c| c["name"] == container["name"]);
            prop_assert_eq!(&found.unwrap()["image"], &container["image"]);
        }
    }
}
