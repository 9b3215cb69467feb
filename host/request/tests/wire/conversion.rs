//! Conversion of custom resources by webhook.

use serde_json::{Value, json};

use crate::fixture::{Api, names};
use crate::outside::{Outside, Reply, Seen};

/// `v1` has `spec.host` as `name:port`, `v2` has `spec.name` and `spec.port`.
fn convert(seen: &Seen) -> Reply {
    let review = seen.json();
    let wanted = review["request"]["desiredAPIVersion"].as_str().unwrap().to_owned();
    let mut objects = review["request"]["objects"].as_array().unwrap().clone();
    for object in &mut objects {
        assert_ne!(object["apiVersion"], wanted, "only what needs it is converted");
        object["apiVersion"] = wanted.clone().into();
        let spec = object["spec"].clone();
        object["spec"] = match wanted.ends_with("/v2") {
            true => {
                let (name, port) = spec["host"].as_str().unwrap().split_once(':').unwrap();
                json!({ "name": name, "port": port, "unknown": "dropped" })
            }
            false => {
                json!({ "host": format!("{}:{}", spec["name"].as_str().unwrap(), spec["port"].as_str().unwrap()) })
            }
        };
        object["metadata"]["annotations"] = json!({ "converted": "true" });
        object["metadata"]["generation"] = 99.into();
    }
    Reply::Json(json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": {
        "uid": review["request"]["uid"], "result": { "status": "Success" }, "convertedObjects": objects } }))
}

fn definition(group: &str, stored: &str, client: &Value) -> Value {
    let version = |name: &str, fields: Value| {
        json!({ "name": name, "served": true, "storage": name == stored, "schema": { "openAPIV3Schema": {
            "type": "object", "properties": { "spec": { "type": "object", "properties": fields } } } } })
    };
    let text = json!({ "type": "string" });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("hosts.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": "hosts", "singular": "host", "kind": "Host", "listKind": "HostList" },
            "versions": [version("v1", json!({ "host": text })), version("v2", json!({ "name": text, "port": text }))],
            "conversion": { "strategy": "Webhook",
                "webhook": { "clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"] } },
        },
    })
}

/// A definition of its own, stored as `v1`, and the path up to the version.
async fn define(api: &Api, client: &Value) -> (String, String) {
    let group = format!("g{}.example.com", &uuid::Uuid::new_v4().to_string()[..8]);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.post(path, &definition(&group, "v1", client)).await.expect(201);
    let name = format!("hosts.{group}");
    api.watch_until(&format!("{path}?watch=1&fieldSelector=metadata.name={name}"), |event| {
        let conditions = event["object"]["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True")
    })
    .await;
    (format!("/apis/{group}"), group)
}

fn host(group: &str, version: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": format!("{group}/{version}"), "kind": "Host", "metadata": { "name": name }, "spec": spec })
}

#[tokio::test]
async fn every_version_shows_every_object() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], convert).await;
    let (base, group) = define(&api, &hook.by_url("/convert")).await;
    let (v1, v2) = (
        format!("{base}/v1/namespaces/{namespace}/hosts"),
        format!("{base}/v2/namespaces/{namespace}/hosts"),
    );
    api.post(&v1, &host(&group, "v1", "old", json!({ "host": "a:1" }))).await.expect(201);
    assert!(hook.seen().is_empty(), "a version that is stored needs nobody");

    let shown = api.get(&format!("{v2}/old")).await.expect(200);
    assert_eq!(
        (&shown["apiVersion"], &shown["spec"]),
        (&json!(format!("{group}/v2")), &json!({ "name": "a", "port": "1" }))
    );
    // Labels and annotations are the webhook's, nothing else of the metadata is.
    assert_eq!(
        (&shown["metadata"]["annotations"]["converted"], &shown["metadata"]["generation"]),
        (&json!("true"), &json!(1))
    );
    let created =
        api.post(&v2, &host(&group, "v2", "new", json!({ "name": "b", "port": "2" }))).await.expect(201);
    assert_eq!(created["spec"], json!({ "name": "b", "port": "2" }));
    assert_eq!(api.get(&format!("{v1}/new")).await.expect(200)["spec"], json!({ "host": "b:2" }));
    let patched =
        api.patch(&format!("{v2}/old"), "merge", &json!({ "spec": { "port": "7" } })).await.expect(200);
    assert_eq!(patched["spec"], json!({ "name": "a", "port": "7" }));
    assert_eq!(api.get(&format!("{v1}/old")).await.expect(200)["spec"], json!({ "host": "a:7" }));

    // From now on stored as v2: the list is of both kinds.
    let name = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/hosts.{group}");
    let switch = definition(&group, "v2", &hook.by_url("/convert"))["spec"].clone();
    api.patch(&name, "merge", &json!({ "spec": switch })).await.expect(200);
    api.post(&v2, &host(&group, "v2", "newest", json!({ "name": "c", "port": "3" }))).await.expect(201);
    for (path, version) in [(&v1, "v1"), (&v2, "v2")] {
        let list = api.get(path).await.expect(200);
        assert_eq!(names(&list), ["new", "newest", "old"]);
        for item in list["items"].as_array().unwrap() {
            assert_eq!(item["apiVersion"], format!("{group}/{version}"));
        }
    }
    let events = api
        .watch_until(&format!("{v1}?watch=1&resourceVersion=0"), |event| {
            event["object"]["metadata"]["name"] == "old"
        })
        .await;
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|event| event["object"]["spec"]["host"].is_string()), "{events:?}");
}

#[tokio::test]
async fn a_webhook_that_fails_is_named() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| {
        let review = seen.json();
        let result = json!({ "status": "Failure", "message": "no idea how" });
        Reply::Json(json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": { "uid": review["request"]["uid"], "result": result } }))
    })
    .await;
    let (base, group) = define(&api, &hook.by_url("/convert")).await;
    let (v1, v2) = (
        format!("{base}/v1/namespaces/{namespace}/hosts"),
        format!("{base}/v2/namespaces/{namespace}/hosts"),
    );
    api.post(&v1, &host(&group, "v1", "old", json!({ "host": "a:1" }))).await.expect(201);
    let why = format!("conversion webhook for {group}/v1, Kind=Host failed: no idea how");
    for path in [format!("{v2}/old"), v2.clone()] {
        let failed = api.get(&path).await;
        assert_eq!(failed.message(), why);
        failed.expect(500);
    }
    let refused = api.post(&v2, &host(&group, "v2", "new", json!({ "name": "b", "port": "2" }))).await;
    assert_eq!(
        refused.message(),
        format!("conversion webhook for {group}/v2, Kind=Host failed: no idea how")
    );
    api.get(&format!("{v1}/new")).await.expect(404);
}
