use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::managed_fields::record_update;
use crate::schema::{Node, Schemas};

fn deployment() -> Option<Node<'static>> {
    let node = Schemas::builtin().root("io.k8s.api.apps.v1.Deployment");
    assert!(node.is_some());
    node
}

fn by(name: &str, second: i64) -> FieldManager<'_> {
    FieldManager {
        name,
        api_version: "apps/v1",
        subresource: "",
        now: Timestamp::from_second(second).unwrap(),
        ignored: &["status"],
    }
}

fn config(replicas: Option<i64>, labels: Value, containers: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    });
    if let Some(replicas) = replicas {
        object["spec"]["replicas"] = replicas.into();
    }
    object
}

fn applied(live: Option<&Value>, config: &Value, manager: &FieldManager<'_>) -> Value {
    apply(live, config, deployment(), manager, false).unwrap()
}

fn owners(object: &Value) -> Vec<(&str, &str)> {
    let entries = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
    entries.iter().map(|e| (e["manager"].as_str().unwrap(), e["operation"].as_str().unwrap())).collect()
}

#[test]
fn a_first_apply_creates_and_owns() {
    let config = config(Some(3), json!({"a": "1"}), json!([{"name": "web", "image": "nginx"}]));
    let object = applied(None, &config, &by("me", 0));
    let expected = json!([{
        "manager": "me", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "time": "1970-01-01T00:00:00Z",
        "fieldsV1": {
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:template": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:name": {}}}},
                },
            },
        },
    }]);
    assert_eq!(object["metadata"]["managedFields"], expected);
    assert_eq!(object["spec"], config["spec"]);
}

#[test]
fn conflicts_are_upstreams() {
    let mut live = config(Some(3), json!({"a": "1"}), json!([{"name": "web", "image": "nginx"}]));
    record_update(None, &mut live, deployment(), &by("kubectl-client-side-apply", 0));
    let wanted = config(Some(5), json!({"a": "1"}), json!([{"name": "web", "image": "nginx"}]));
    let error = apply(Some(&live), &wanted, deployment(), &by("me", 60), false).unwrap_err();
    let message = "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas";
    assert_eq!(error.to_string(), message);
    let status = Status::from(error);
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (409, "Conflict", message));
    let causes = json!({"causes": [{
        "reason": "FieldManagerConflict",
        "message": "conflict with \"kubectl-client-side-apply\" using apps/v1",
        "field": ".spec.replicas",
    }]});
    assert_eq!(status.details, Some(causes));

    let wanted = config(Some(5), json!({"a": "1"}), json!([{"name": "web", "image": "httpd"}]));
    let error = apply(Some(&live), &wanted, deployment(), &by("me", 60), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"kubectl-client-side-apply\" using apps/v1:\n\
         - .spec.replicas\n- .spec.template.spec.containers[name=\"web\"].image"
    );

    let forced = apply(Some(&live), &wanted, deployment(), &by("me", 60), true).unwrap();
    assert_eq!(forced["spec"]["replicas"], 5);
    let theirs = &forced["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"];
    assert_eq!(theirs.get("f:replicas"), None);
    assert!(theirs["f:selector"].is_object());
}

#[test]
fn subresources_are_named_in_conflicts() {
    let mut live = config(Some(3), json!({}), json!([{"name": "web"}]));
    record_update(None, &mut live, deployment(), &by("kubectl", 0));
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = 4.into();
    let scaler = FieldManager { subresource: "scale", ..by("hpa", 60) };
    record_update(Some(&live), &mut scaled, deployment(), &scaler);
    let wanted = config(Some(5), json!({}), json!([{"name": "web"}]));
    let error = apply(Some(&scaled), &wanted, deployment(), &by("me", 60), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
}

#[test]
fn what_is_given_up_goes_unless_others_own_it() {
    let first = config(Some(3), json!({"a": "1", "b": "2"}), json!([{"name": "web"}, {"name": "side"}]));
    let live = applied(None, &first, &by("me", 0));
    let shared = config(None, json!({"b": "2"}), json!([{"name": "web"}]));
    let live = applied(Some(&live), &shared, &by("other", 1));
    let less = config(None, json!({}), json!([{"name": "web"}]));
    let object = applied(Some(&live), &less, &by("me", 2));
    assert_eq!(object["metadata"]["labels"], json!({"b": "2"}));
    assert_eq!(object["spec"].get("replicas"), None);
    assert_eq!(object["spec"]["template"]["spec"]["containers"], json!([{"name": "web"}]));
}

#[test]
fn defaults_in_a_given_up_item_do_not_hold_it() {
    let first = config(None, json!({}), json!([{"name": "web"}, {"name": "side", "image": "x"}]));
    let mut live = applied(None, &first, &by("me", 0));
    // Defaulting sets fields that nobody owns.
    live["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "Always".into();
    let less = config(None, json!({}), json!([{"name": "web"}]));
    let object = applied(Some(&live), &less, &by("me", 2));
    assert_eq!(object["spec"]["template"]["spec"]["containers"], json!([{"name": "web"}]));
}

#[test]
fn an_owner_below_keeps_an_item() {
    let first = config(None, json!({}), json!([{"name": "web"}, {"name": "side", "image": "x"}]));
    let live = applied(None, &first, &by("me", 0));
    let mut changed = live.clone();
    changed["spec"]["template"]["spec"]["containers"][1]["tty"] = true.into();
    record_update(Some(&live), &mut changed, deployment(), &by("editor", 1));
    let less = config(None, json!({}), json!([{"name": "web"}]));
    let object = applied(Some(&changed), &less, &by("me", 2));
    // The item itself was given up; upstream removes it with what is below, owned by an updater or not.
    let names: Vec<_> = object["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(names, ["web"]);
}

#[test]
fn untracked_objects_belong_to_before_first_apply() {
    let live = config(Some(3), json!({"a": "1"}), json!([{"name": "web"}]));
    let same = applied(Some(&live), &config(None, json!({"a": "1"}), json!([{"name": "web"}])), &by("me", 0));
    assert_eq!(owners(&same), [("me", "Apply"), ("before-first-apply", "Update")]);
}

#[test]
fn kubectl_takes_over_what_it_applied_on_the_client() {
    let mut live = config(Some(3), json!({"a": "1"}), json!([{"name": "web", "image": "nginx"}]));
    let last = live.to_string();
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    record_update(None, &mut live, deployment(), &by("kubectl-client-side-apply", 0));
    let wanted = config(Some(5), json!({"a": "1"}), json!([{"name": "web", "image": "httpd"}]));
    let object = applied(Some(&live), &wanted, &by("kubectl", 1));
    assert_eq!(object["spec"]["replicas"], 5);
    let annotation = &object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    assert_eq!(serde_json::from_str::<Value>(annotation.as_str().unwrap()).unwrap(), wanted);

    // Changed by somebody since: no longer kubectl's.
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = 4.into();
    record_update(Some(&live), &mut scaled, deployment(), &by("hpa", 1));
    let error = apply(Some(&scaled), &wanted, deployment(), &by("kubectl", 2), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas"
    );
}

#[test]
fn malformed_configurations_are_refused() {
    let refused =
        |config: Value| apply(None, &config, deployment(), &by("me", 0), false).unwrap_err().to_string();
    let good = config(Some(3), json!({}), json!([{"name": "web"}]));
    let with = |pointer: &str, value: Value| {
        let mut config = good.clone();
        *config.pointer_mut(pointer).unwrap() = value;
        config
    };
    let prefix = "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): ";
    let mut unknown = good.clone();
    unknown["spec"]["replica"] = 3.into();
    assert_eq!(refused(unknown), format!("{prefix}.spec.replica: field not declared in schema"));
    assert_eq!(
        refused(with("/spec/replicas", json!("3"))),
        format!("{prefix}.spec.replicas: expected numeric (int or float), got string")
    );
    let twice = json!([{"name": "web"}, {"name": "web"}]);
    assert_eq!(
        refused(with("/spec/template/spec/containers", twice)),
        format!("{prefix}.spec.template.spec.containers: duplicate entries for key [name=\"web\"]")
    );
    let mut managed = good.clone();
    managed["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(managed), "metadata.managedFields must be nil");
    assert_eq!(
        refused(with("/apiVersion", json!("apps/v1beta1"))),
        "Incorrect version specified in apply patch. Specified patch version: apps/v1beta1, expected: apps/v1"
    );
}

#[test]
fn lists_merge_in_the_applied_order() {
    let names = |object: &Value| -> Vec<String> {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        containers.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    let of = |names: &[&str]| Value::from(names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>());
    for (live, wanted, merged) in [
        (&["a", "b"][..], &["b", "a"][..], &["b", "a"][..]),
        (&["a", "b", "c"], &["c", "d"], &["a", "b", "c", "d"]),
        (&["x", "a", "y", "b"], &["b", "a"], &["x", "y", "b", "a"]),
        (&[], &["b", "a"], &["b", "a"]),
    ] {
        let before = applied(None, &config(None, json!({}), of(live)), &by("other", 0));
        let after = applied(Some(&before), &config(None, json!({}), of(wanted)), &by("me", 1));
        assert_eq!(names(&after), merged, "{live:?} {wanted:?}");
    }
}

fn configs() -> impl Strategy<Value = Value> {
    let containers =
        prop::collection::btree_map("[a-c]", proptest::option::of("[12]"), 0..3).prop_map(|items| {
            let item = |(name, image): (String, Option<String>)| match image {
                Some(image) => json!({"name": name, "image": image}),
                None => json!({"name": name}),
            };
            Value::Array(items.into_iter().map(item).collect())
        });
    let labels = prop::collection::btree_map("[a-c]", "[12]", 0..3).prop_map(|labels| {
        Value::Object(labels.into_iter().map(|(k, v)| (k, v.into())).collect::<Map<_, _>>())
    });
    (proptest::option::of(0..3i64), labels, containers)
        .prop_map(|(replicas, labels, containers)| config(replicas, labels, containers))
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(first in configs(), second in configs()) {
        let live = applied(None, &first, &by("me", 0));
        let once = applied(Some(&live), &second, &by("me", 1));
        prop_assert_eq!(&applied(Some(&once), &second, &by("me", 2)), &once);
    }

    /// One applier alone: the object is what it last applied, whatever it applied before.
    #[test]
    fn the_only_applier_decides(first in configs(), second in configs()) {
        let live = applied(None, &first, &by("me", 0));
        let mut after = applied(Some(&live), &second, &by("me", 1));
        let mut fresh = applied(None, &second, &by("me", 1));
        let order = |object: &mut Value| {
            let containers = object["spec"]["template"]["spec"].get_mut("containers");
            if let Some(containers) = containers.and_then(Value::as_array_mut) {
                containers.sort_by_key(|c| c["name"].to_string());
            }
        };
        order(&mut after);
        order(&mut fresh);
        for object in [&mut after, &mut fresh] {
            // Empty maps and lists come and go with their last field.
            if object["metadata"]["labels"] == json!({}) { object["metadata"].as_object_mut().unwrap().remove("labels"); }
            let spec = object["spec"]["template"].as_object_mut().unwrap();
            if spec.get("spec").is_none_or(|s| s["containers"] == json!([]) || s.get("containers").is_none()) { spec.remove("spec"); }
            object["metadata"].as_object_mut().unwrap().remove("managedFields");
        }
        prop_assert_eq!(after, fresh);
    }

    /// Two appliers: a forced apply always ends with what it says, and keys stay unique.
    #[test]
    fn a_forced_apply_has_its_way(first in configs(), second in configs()) {
        let live = applied(None, &first, &by("other", 0));
        let forced = apply(Some(&live), &second, deployment(), &by("me", 1), true).unwrap();
        for (key, value) in second["metadata"]["labels"].as_object().unwrap() {
            prop_assert_eq!(&forced["metadata"]["labels"][key], value);
        }
        if let Some(replicas) = second["spec"].get("replicas") {
            prop_assert_eq!(&forced["spec"]["replicas"], replicas);
        }
        let containers = forced["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        for wanted in second["spec"]["template"]["spec"]["containers"].as_array().unwrap() {
            let found: Vec<_> = containers.iter().filter(|c| c["name"] == wanted["name"]).collect();
            prop_assert_eq!(found.len(), 1);
            if let Some(image) = wanted.get("image") {
                prop_assert_eq!(&found[0]["image"], image);
            }
        }
    }
}
