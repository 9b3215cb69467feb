//! CustomResourceDefinitions on the wire.

use serde_json::{Value, json};

use crate::fixture::Api;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

fn schema() -> Value {
    json!({ "type": "object", "properties": {
        "spec": { "type": "object", "required": ["size"], "properties": {
            "size": { "type": "string", "enum": ["small", "large"], "description": "How large it is." },
            "replicas": { "type": "integer", "minimum": 1, "default": 1 },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "ports": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": { "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string" }, "port": { "x-kubernetes-int-or-string": true } } } },
        } },
        "status": { "type": "object", "properties": { "replicas": { "type": "integer" } } },
    } })
}

/// A definition in a group of its own, so that tests do not meet.
fn definition(group: &str) -> Value {
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": schema() },
            "subresources": { "status": {}, "scale": {
                "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" } },
            "additionalPrinterColumns": [
                { "name": "Size", "type": "string", "jsonPath": ".spec.size" },
                { "name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1 },
            ],
            "selectableFields": [{ "jsonPath": ".spec.size" }],
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"] },
            "versions": [version("v1beta1", true), version("v1", false)],
        },
    })
}

/// The definition, established, and the path of its instances.
pub async fn established(api: &Api) -> (String, String, String) {
    let namespace = api.namespace().await;
    let group = format!("{namespace}.example.com");
    let name = format!("widgets.{group}");
    api.post(DEFINITIONS, &definition(&group)).await.expect(201);
    let path = format!("{DEFINITIONS}?watch=1&fieldSelector=metadata.name%3D{name}");
    api.watch_until(&path, |event| {
        let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True")
    })
    .await;
    let instances = format!("/apis/{group}/v1/namespaces/{namespace}/widgets");
    (group, name, instances)
}

/// To be made at a path: `/apis/GROUP/VERSION/…`.
fn widget(instances: &str, name: &str, spec: Value) -> Value {
    let version: Vec<&str> = instances.split('/').skip(2).take(2).collect();
    json!({ "apiVersion": version.join("/"), "kind": "Widget", "metadata": { "name": name }, "spec": spec })
}

#[tokio::test]
async fn a_definition_adds_a_kind_everywhere() {
    let api = Api::start().await;
    let (group, name, instances) = established(&api).await;
    let stored = api.get(&format!("{DEFINITIONS}/{name}")).await.expect(200);
    assert_eq!(stored["status"]["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(stored["status"]["storedVersions"], json!(["v1beta1"]));
    let resources = api.get(&format!("/apis/{group}/v1")).await.expect(200);
    let names: Vec<&Value> =
        resources["resources"].as_array().unwrap().iter().map(|resource| &resource["name"]).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let all = api.get_as("/apis", AGGREGATED).await.expect(200);
    let own = all["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == *group).unwrap();
    assert_eq!(
        (&own["versions"][0]["version"], &own["versions"][1]["version"]),
        (&json!("v1"), &json!("v1beta1"))
    );
    let index = api.get("/openapi/v3").await.expect(200);
    let url = index["paths"][format!("apis/{group}/v1")]["serverRelativeURL"].as_str().unwrap();
    let document = api.get(url).await.expect(200);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let (_, own) = schemas.iter().find(|(name, _)| name.ends_with(".v1.Widget")).unwrap();
    assert_eq!(own["properties"]["spec"]["properties"]["size"]["description"], "How large it is.");
    let path = format!("/apis/{group}/v1/namespaces/{{namespace}}/widgets/{{name}}");
    let patches = document["paths"][path]["patch"]["requestBody"]["content"].as_object().unwrap();
    let patches: Vec<&String> = patches.keys().collect();
    assert_eq!(
        patches,
        ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
    );
    assert_eq!(own["x-kubernetes-group-version-kind"][0]["kind"], "Widget");
    api.post(&instances, &widget(&instances, "a", json!({ "size": "small" }))).await.expect(201);
    let list = api.get(&instances).await.expect(200);
    assert_eq!(
        (&list["kind"], &list["items"][0]["apiVersion"]),
        (&json!("WidgetList"), &json!(format!("{group}/v1")))
    );
}

#[tokio::test]
async fn instances_are_defaulted_pruned_and_validated() {
    let api = Api::start().await;
    let (_, _, instances) = established(&api).await;
    let odd = widget(
        &instances,
        "a",
        json!({ "size": "small", "other": 1, "free": { "any": 1 }, "replicas": null }),
    );
    let made = api.post(&instances, &odd).await;
    let warning = made.headers["warning"].to_str().unwrap().to_owned();
    assert_eq!(warning, "299 - \"unknown field \\\"spec.other\\\"\"");
    let made = made.expect(201);
    assert_eq!(made["spec"], json!({ "size": "small", "free": { "any": 1 }, "replicas": 1 }));
    assert_eq!(made["metadata"]["generation"], 1);
    let strict = api.post(&format!("{instances}?fieldValidation=Strict"), &odd).await;
    assert_eq!(strict.code, 400);
    assert!(
        strict.message().ends_with("strict decoding error: unknown field \"spec.other\""),
        "{}",
        strict.text
    );
    let bad =
        api.post(&instances, &widget(&instances, "b", json!({ "size": "huge", "replicas": "x" }))).await;
    assert_eq!(bad.code, 422);
    let (_, why) = bad.message().split_once(" is invalid: ").unwrap();
    assert_eq!(
        why,
        "[spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\", spec.size: Unsupported value: \"huge\": supported values: \"small\", \"large\", .spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected int64]"
    );
    let missing = api.post(&instances, &widget(&instances, "b", json!({}))).await;
    assert!(missing.message().ends_with("spec.size: Required value"), "{}", missing.text);
    let ports = json!({ "size": "small", "ports": [{ "name": "a" }, { "name": "a" }] });
    let twice = api.post(&instances, &widget(&instances, "b", ports)).await;
    assert!(twice.message().ends_with("spec.ports[1]: Duplicate value: {\"name\":\"a\"}"), "{}", twice.text);
}

#[tokio::test]
async fn instances_are_patched_and_applied() {
    let api = Api::start().await;
    let (group, _, instances) = established(&api).await;
    let path = format!("{instances}/a");
    let applied = |port: i64| {
        json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "a" },
            "spec": { "size": "small", "ports": [{ "name": "http", "port": port }] } })
    };
    api.patch(&format!("{path}?fieldManager=one"), "apply", &applied(80)).await.expect(201);
    let other = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "a" },
        "spec": { "ports": [{ "name": "admin", "port": "any" }] } });
    let both = api.patch(&format!("{path}?fieldManager=two"), "apply", &other).await.expect(200);
    assert_eq!(both["spec"]["ports"].as_array().unwrap().len(), 2, "the list is a map by name");
    let conflict = api.patch(&format!("{path}?fieldManager=two"), "apply", &applied(81)).await;
    assert_eq!(conflict.code, 409);
    let merged = api.patch(&path, "merge", &json!({ "spec": { "size": "large" } })).await.expect(200);
    assert_eq!((&merged["spec"]["size"], &merged["metadata"]["generation"]), (&json!("large"), &json!(3)));
    let refused = api.patch(&path, "strategic-merge", &json!({ "spec": {} })).await;
    assert_eq!(refused.code, 415, "{}", refused.text);
    let invalid = api.patch(&path, "merge", &json!({ "spec": { "size": 1 } })).await;
    assert_eq!(invalid.code, 422, "{}", invalid.text);
}

#[tokio::test]
async fn status_and_scale_are_parts_of_their_own() {
    let api = Api::start().await;
    let (_, _, instances) = established(&api).await;
    let mut object = widget(&instances, "a", json!({ "size": "small", "replicas": 2 }));
    object["status"] = json!({ "replicas": 9 });
    let made = api.post(&instances, &object).await.expect(201);
    assert!(made["status"].is_null());
    let status = json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "size": "large" }, "status": { "replicas": 2 } });
    let written = api.patch(&format!("{instances}/a/status"), "merge", &status).await.expect(200);
    assert_eq!((&written["spec"]["size"], &written["status"]["replicas"]), (&json!("small"), &json!(2)));
    assert!(written["metadata"]["labels"].is_null());
    assert_eq!(written["metadata"]["generation"], 1);
    let scale = api.get(&format!("{instances}/a/scale")).await.expect(200);
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(2), &json!(2)));
    let scale =
        api.patch(&format!("{instances}/a/scale"), "merge", &json!({ "spec": { "replicas": 5 } })).await;
    assert_eq!(scale.expect(200)["spec"]["replicas"], 5);
    assert_eq!(api.get(&format!("{instances}/a")).await.expect(200)["spec"]["replicas"], 5);
}

#[tokio::test]
async fn what_is_replaced_is_named_and_what_it_is_is_said() {
    let api = Api::start().await;
    let (group, _, instances) = established(&api).await;
    let object = widget(&instances, "a", json!({ "size": "small" }));
    api.post(&instances, &object).await.expect(201);
    let blind = api.put(&format!("{instances}/a"), &object).await;
    let expected = format!(
        "widgets.{group} \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    assert_eq!((blind.code, blind.message()), (422, &*expected));
    let mut other = object.clone();
    other["kind"] = "Gadget".into();
    let refused = api.post(&instances, &other).await;
    let expected =
        format!("Gadget.{group} \"a\" is invalid: kind: Invalid value: \"Gadget\": must be Widget");
    assert_eq!((refused.code, refused.message()), (422, &*expected));
    let refused = api.post(&instances, &json!({ "spec": {} })).await;
    let expected = "the object provided is unrecognized (must be of type Widget): Object 'Kind' is missing in '{\"spec\":{}}' ({\"spec\":{}})";
    assert_eq!((refused.code, refused.message()), (400, expected));
}

#[tokio::test]
async fn what_has_no_number_of_replicas_has_no_scale() {
    let api = Api::start().await;
    let (_, name, instances) = established(&api).await;
    let without_default = json!([{ "op": "remove", "path": "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/replicas/default" }]);
    api.patch(&format!("{DEFINITIONS}/{name}"), "json", &without_default).await.expect(200);
    api.post(&instances, &widget(&instances, "a", json!({ "size": "small" }))).await.expect(201);
    let scale = format!("{instances}/a/scale");
    let none = api.get(&scale).await;
    let expected = "Internal error occurred: the spec replicas field \".spec.replicas\" does not exist";
    assert_eq!((none.code, none.message()), (500, expected));
    let bad = api.patch(&scale, "merge", &json!({ "spec": { "replicas": -1 } })).await;
    assert_eq!(bad.code, 422);
    let expected = ".spec.replicas: Invalid value: -1: should be a non-negative integer";
    assert!(bad.message().contains(expected), "{}", bad.text);
    api.patch(&scale, "merge", &json!({ "spec": { "replicas": 3 } })).await.expect(200);
    assert_eq!(api.get(&scale).await.expect(200)["spec"]["replicas"], 3);
}

#[tokio::test]
async fn every_version_shows_the_same_objects() {
    let api = Api::start().await;
    let (group, name, instances) = established(&api).await;
    let old = instances.replace("/v1/", "/v1beta1/");
    api.post(&instances, &widget(&instances, "a", json!({ "size": "small" }))).await.expect(201);
    let seen = api.get(&format!("{old}/a")).await.expect(200);
    assert_eq!(seen["apiVersion"], format!("{group}/v1beta1"));
    let events = api.watch_until(&format!("{instances}?watch=1"), |event| event["type"] == "ADDED").await;
    assert_eq!(events[0]["object"]["apiVersion"], format!("{group}/v1"));
    let mut changed = seen;
    changed["spec"]["size"] = "large".into();
    let changed = api.put(&format!("{old}/a"), &changed).await.expect(200);
    assert_eq!(changed["apiVersion"], format!("{group}/v1beta1"));
    assert_eq!(api.get(&format!("{instances}/a")).await.expect(200)["spec"]["size"], "large");
    // A new storage version is remembered beside the old one; what is stored stays readable.
    let move_ = json!([
        { "op": "replace", "path": "/spec/versions/0/storage", "value": false },
        { "op": "replace", "path": "/spec/versions/1/storage", "value": true },
    ]);
    let moved = api.patch(&format!("{DEFINITIONS}/{name}"), "json", &move_).await.expect(200);
    assert_eq!(moved["status"]["storedVersions"], json!(["v1beta1", "v1"]));
    // A write that changes nothing stores it in the new version, once: so objects are migrated.
    let touch = || async { api.patch(&format!("{instances}/a"), "merge", &json!({})).await.expect(200) };
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    let migrated = touch().await;
    assert_ne!(version(&migrated), version(&changed));
    assert_eq!(version(&touch().await), version(&migrated));
    assert_eq!(api.get(&format!("{old}/a")).await.expect(200)["apiVersion"], format!("{group}/v1beta1"));
    let selected = api.get(&format!("{instances}?fieldSelector=spec.size%3Dlarge")).await.expect(200);
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
    let none = api.get(&format!("{instances}?fieldSelector=spec.size%3Dsmall")).await.expect(200);
    assert!(none["items"].as_array().unwrap().is_empty());
    let table = api.get_as(&instances, TABLE).await.expect(200);
    let columns: Vec<&Value> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(columns, ["Name", "Size", "Replicas"]);
    assert_eq!(table["rows"][0]["cells"], json!(["a", "large", 1]));
}

#[tokio::test]
async fn a_changed_schema_holds_for_the_next_request() {
    let api = Api::start().await;
    let (_, name, instances) = established(&api).await;
    api.post(&instances, &widget(&instances, "a", json!({ "size": "small" }))).await.expect(201);
    let change = json!([
        { "op": "add", "path": "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/colour",
            "value": { "type": "string", "default": "blue", "maxLength": 4 } },
        { "op": "add", "path": "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/size/maxLength", "value": 1 },
    ]);
    api.patch(&format!("{DEFINITIONS}/{name}"), "json", &change).await.expect(200);
    let seen = api.get(&format!("{instances}/a")).await.expect(200);
    assert_eq!(seen["spec"]["colour"], "blue", "what is stored gets the new default");
    let refused = api.post(&instances, &widget(&instances, "b", json!({ "size": "large" }))).await;
    assert!(
        refused.message().ends_with("spec.size: Too long: may not be more than 1 bytes"),
        "{}",
        refused.text
    );
    // What was there before may stay as it is while something else changes.
    api.patch(&format!("{instances}/a"), "merge", &json!({ "spec": { "replicas": 3 } })).await.expect(200);
}

#[tokio::test]
async fn the_instances_go_before_the_definition() {
    let api = Api::start().await;
    let (_, name, instances) = established(&api).await;
    let mut held = widget(&instances, "held", json!({ "size": "small" }));
    held["metadata"]["finalizers"] = json!(["example.com/wait"]);
    api.post(&instances, &held).await.expect(201);
    api.post(&instances, &widget(&instances, "free", json!({ "size": "small" }))).await.expect(201);
    let path = format!("{DEFINITIONS}/{name}");
    let going = api.delete(&path).await.expect(200);
    assert_eq!(going["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let events = format!("{instances}?watch=1&fieldSelector=metadata.name%3Dheld");
    api.watch_until(&events, |event| event["object"]["metadata"]["deletionTimestamp"].is_string()).await;
    let late = api.post(&instances, &widget(&instances, "late", json!({ "size": "small" }))).await;
    assert_eq!(
        (late.code, late.message()),
        (405, "create not allowed while custom resource definition is terminating")
    );
    api.get(&path).await.expect(200);
    let watch = format!("{DEFINITIONS}?watch=1&fieldSelector=metadata.name%3D{name}");
    let gone = async {
        api.watch_until(&watch, |event| event["type"] == "DELETED").await;
    };
    let release = async {
        api.patch(&format!("{instances}/held"), "merge", &json!({ "metadata": { "finalizers": null } }))
            .await
            .expect(200);
    };
    tokio::join!(gone, release);
    assert_eq!(api.get(&path).await.code, 404);
    assert_eq!(api.get(&instances).await.code, 404);
}

#[tokio::test]
async fn names_that_are_taken_are_not_given_twice() {
    let api = Api::start().await;
    let (group, _, _) = established(&api).await;
    let mut second = definition(&group);
    second["metadata"]["name"] = format!("gadgets.{group}").into();
    second["spec"]["names"] = json!({ "plural": "gadgets", "kind": "Widget" });
    api.post(DEFINITIONS, &second).await.expect(201);
    let path = format!("{DEFINITIONS}?watch=1&fieldSelector=metadata.name%3Dgadgets.{group}");
    let events = api
        .watch_until(&path, |event| {
            event["object"]["status"]["conditions"].as_array().is_some_and(|c| c.len() == 2)
        })
        .await;
    let condition = &events.last().unwrap()["object"]["status"]["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("ListKindConflict")));
    assert_eq!(api.get(&format!("/apis/{group}/v1/gadgets")).await.code, 404);
    let mut bad = definition(&group);
    bad["spec"]["versions"][0]["schema"] = Value::Null;
    let refused = api.post(DEFINITIONS, &bad).await;
    assert_eq!(refused.code, 422);
    assert!(refused.text.contains("spec.versions[0].schema.openAPIV3Schema: Required value"));
}
