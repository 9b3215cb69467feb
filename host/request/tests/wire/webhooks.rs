//! Mutating and validating webhooks, against a real one.

use reqwest::Method;
use serde_json::{Value, json};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fixture::{Api, answer, config_map, deployment, pod};
use crate::outside::{Outside, Reply};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// An AdmissionReview that answers the one asked.
fn review(asked: &Value, response: Value) -> Reply {
    let mut response = response;
    response["uid"] = asked["request"]["uid"].clone();
    Reply::Json(
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }),
    )
}

fn patch(asked: &Value, patch: Value) -> Reply {
    let patch = STANDARD.encode(patch.to_string());
    review(asked, json!({ "allowed": true, "patchType": "JSONPatch", "patch": patch }))
}

/// Registers a webhook for the objects of a namespace.
async fn register(
    api: &Api,
    plural: &str,
    namespace: &str,
    resources: Value,
    client: Value,
    more: Value,
) -> Value {
    let mut hook = json!({
        "name": format!("{namespace}.hook.example.com"), "clientConfig": client, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
        "rules": [{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": resources }],
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
    });
    for (field, value) in more.as_object().unwrap() {
        hook[field] = value.clone();
    }
    let kind = if plural.starts_with('m') {
        "MutatingWebhookConfiguration"
    } else {
        "ValidatingWebhookConfiguration"
    };
    let name = format!("{namespace}-{}", &uuid::Uuid::new_v4().to_string()[..8]);
    let body = json!({ "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": { "name": name }, "webhooks": [hook] });
    let registered = api.post(&format!("{GROUP}/{plural}"), &body).await.expect(201);
    assert_eq!(registered["webhooks"][0]["matchPolicy"], "Equivalent");
    registered
}

async fn unregister(api: &Api, plural: &str, registered: &Value) {
    let name = registered["metadata"]["name"].as_str().unwrap();
    api.delete(&format!("{GROUP}/{plural}/{name}")).await.expect(200);
}

#[tokio::test]
async fn webhooks_change_and_refuse_writes() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| {
        let asked = seen.json();
        match (seen.path.split('?').next().unwrap(), asked["request"]["operation"].as_str().unwrap()) {
            ("/mutate", "CREATE" | "UPDATE") => patch(
                &asked,
                json!([{ "op": "add", "path": "/data/by", "value": asked["request"]["userInfo"]["username"] }]),
            ),
            ("/validate", operation) if asked["request"]["object"]["data"]["bad"] == "yes" || operation == "DELETE" => {
                let status = json!({ "code": 403, "message": format!("{operation} is not for you") });
                review(&asked, json!({ "allowed": false, "status": status }))
            }
            _ => review(&asked, json!({ "allowed": true, "warnings": ["a \"quoted\" warning"] })),
        }
    })
    .await;
    let only = json!(["configmaps"]);
    register(
        &api,
        "mutatingwebhookconfigurations",
        &namespace,
        only.clone(),
        hook.by_url("/mutate"),
        json!({}),
    )
    .await;
    let validating = register(
        &api,
        "validatingwebhookconfigurations",
        &namespace,
        only,
        hook.by_url("/validate"),
        json!({}),
    )
    .await;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");

    let created = api.post(&path, &config_map("good")).await;
    assert_eq!(created.headers["warning"], r#"299 - "a \"quoted\" warning""#);
    let created = created.expect(201);
    let asked = hook.seen()[0].clone();
    let user = asked.json()["request"]["userInfo"]["username"].clone();
    assert!(user.is_string() && created["data"]["by"] == user, "{created}");
    assert_eq!(asked.path, "/mutate?timeout=5s");
    let request = asked.json()["request"].clone();
    assert_eq!(request["resource"], json!({ "group": "", "version": "v1", "resource": "configmaps" }));
    assert_eq!(request["options"], json!({ "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" }));
    assert_eq!(
        (&request["object"]["metadata"]["name"], &request["oldObject"]),
        (&json!("good"), &Value::Null)
    );

    let refused = api.patch(&format!("{path}/good"), "merge", &json!({ "data": { "bad": "yes" } })).await;
    let denied = format!(r#"admission webhook "{namespace}.hook.example.com" denied the request: "#);
    assert_eq!(refused.message(), format!("{denied}UPDATE is not for you"));
    refused.expect(403);
    let kept = api.delete(&format!("{path}/good")).await;
    assert_eq!(kept.message(), format!("{denied}DELETE is not for you"));
    assert_eq!(api.get(&format!("{path}/good")).await.expect(200)["data"].get("bad"), None);
    // A dry run asks as well, and changes nothing.
    let dry = api.post(&format!("{path}?dryRun=All"), &config_map("dry")).await.expect(201);
    assert_eq!(dry["data"]["by"], user);
    assert_eq!(hook.seen().last().unwrap().json()["request"]["dryRun"], true);
    api.get(&format!("{path}/dry")).await.expect(404);
    unregister(&api, "validatingwebhookconfigurations", &validating).await;
    api.delete(&format!("{path}/good")).await.expect(200);
}

#[tokio::test]
async fn webhooks_that_hang_lie_or_talk_nonsense_are_refused() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| {
        let asked = seen.json();
        match seen.path.split('?').next().unwrap() {
            "/hang" => Reply::Hang,
            "/uid" => Reply::Json(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "response": { "uid": "other", "allowed": true } })),
            "/version" => Reply::Json(json!({ "apiVersion": "v1", "kind": "Pod" })),
            "/patch" => patch(&asked, json!([{ "op": "add", "path": "/data/x", "value": "y" }])),
            "/garbage" => Reply::Raw(200, vec![], b"\x00\xff<html>".to_vec()),
            "/large" => Reply::Raw(200, vec![], vec![b' '; 9 << 20]),
            "/redirect" => Reply::Raw(302, vec![("location", "https://localhost/".into())], vec![]),
            "/broken" => Reply::Raw(500, vec![], b"oh no".to_vec()),
            other => panic!("{other}"),
        }
    })
    .await;
    let cases = [
        ("/hang", "context deadline exceeded"),
        ("/uid", r#"received invalid webhook response: expected response.uid="#),
        (
            "/version",
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /v1, Kind=Pod",
        ),
        ("/patch", "validating webhook may not return response.patch"),
        ("/garbage", "json parse error"),
        ("/large", "the response is larger than 8388608 bytes"),
        ("/redirect", "the server responded with the status code 302 but did not return more information"),
        ("/broken", r#"an error on the server ("oh no") has prevented the request from succeeding"#),
    ];
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let plural = "validatingwebhookconfigurations";
    for (at, expected) in cases {
        let more = json!({ "timeoutSeconds": 1 });
        let registered =
            register(&api, plural, &namespace, json!(["configmaps"]), hook.by_url(at), more).await;
        let refused = api.post(&path, &config_map("x")).await;
        let begins =
            format!(r#"Internal error occurred: failed calling webhook "{namespace}.hook.example.com": "#);
        assert!(refused.message().starts_with(&begins), "{at}: {}", refused.message());
        assert!(refused.message().contains(expected), "{at}: {}", refused.message());
        refused.expect(500);
        unregister(&api, plural, &registered).await;
    }
    let mut stranger = hook.by_url("/broken");
    stranger["caBundle"] = Outside::start(&[], |_| Reply::Hang).await.ca_bundle.clone().into();
    let registered = register(&api, plural, &namespace, json!(["configmaps"]), stranger, json!({})).await;
    let refused = api.post(&path, &config_map("x")).await;
    let unknown = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert!(refused.message().ends_with(unknown), "{}", refused.message());
    unregister(&api, plural, &registered).await;
    let ignored = json!({ "failurePolicy": "Ignore" });
    register(&api, plural, &namespace, json!(["configmaps"]), hook.by_url("/broken"), ignored).await;
    api.post(&path, &config_map("x")).await.expect(201);
}

#[tokio::test]
async fn a_service_is_reached_under_its_own_name() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let name = format!("hook.{namespace}.svc");
    let hook = Outside::start(&[&name], |seen| review(&seen.json(), json!({ "allowed": false }))).await;
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "hook" },
        "spec": { "type": "ExternalName", "externalName": "localhost" } });
    let client = json!({ "caBundle": hook.ca_bundle,
        "service": { "namespace": namespace, "name": "hook", "path": "/x", "port": hook.address.port() } });
    register(&api, "validatingwebhookconfigurations", &namespace, json!(["configmaps"]), client, json!({}))
        .await;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let missing = api.post(&path, &config_map("x")).await;
    assert!(missing.message().ends_with(r#"service "hook" not found"#), "{}", missing.message());
    api.post(&format!("/api/v1/namespaces/{namespace}/services"), &service).await.expect(201);
    let refused = api.post(&path, &config_map("x")).await;
    let expected =
        format!(r#"admission webhook "{namespace}.hook.example.com" denied the request without explanation"#);
    assert_eq!(refused.message(), expected);
    let host = hook.seen()[0].headers["host"].to_str().unwrap().to_owned();
    assert_eq!(host, format!("{name}:{}", hook.address.port()));
}

#[tokio::test]
async fn connecting_to_a_pod_is_reviewed() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| {
        let status = json!({ "message": "attaching to pod 'to-be-attached-pod' is not allowed" });
        review(&seen.json(), json!({ "allowed": false, "status": status }))
    })
    .await;
    let parts = json!(["pods/attach"]);
    register(&api, "validatingwebhookconfigurations", &namespace, parts, hook.by_url("/"), json!({})).await;
    api.post(&format!("/api/v1/namespaces/{namespace}/pods"), &pod("p")).await.expect(201);
    let path = format!("/api/v1/namespaces/{namespace}/pods/p/attach?container=c&stdout=true");
    let refused = answer(api.request(Method::POST, &path)).await;
    assert!(
        refused.message().contains("attaching to pod 'to-be-attached-pod' is not allowed"),
        "{}",
        refused.message()
    );
    let request = hook.seen()[0].json()["request"].clone();
    assert_eq!(request["operation"], "CONNECT");
    assert_eq!(request["kind"], json!({ "group": "", "version": "v1", "kind": "PodAttachOptions" }));
    let expected =
        json!({ "apiVersion": "v1", "kind": "PodAttachOptions", "container": "c", "stdout": true });
    assert_eq!(request["object"], expected);
}

#[tokio::test]
async fn an_eviction_is_reviewed_and_what_it_does_is_not() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| review(&seen.json(), json!({ "allowed": true }))).await;
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    api.post(&pods, &pod("p")).await.expect(201);
    let all = json!(["pods", "pods/*"]);
    register(&api, "validatingwebhookconfigurations", &namespace, all, hook.by_url("/"), json!({})).await;
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": "p" } });
    api.post(&format!("{pods}/p/eviction"), &eviction).await.expect(201);
    assert_eq!(api.get(&format!("{pods}/p")).await.code, 404);
    let of = |request: &Value| {
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{} {}", part(&request["operation"]), part(&request["subResource"]))
    };
    let seen: Vec<String> = hook.seen().iter().map(|seen| of(&seen.json()["request"])).collect();
    assert_eq!(seen, ["CREATE eviction"]);
}

#[tokio::test]
async fn configurations_are_checked_and_not_reviewed() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| review(&seen.json(), json!({ "allowed": false }))).await;
    let everything = json!(["*/*"]);
    let more = json!({ "namespaceSelector": {}, "rules": [{ "operations": ["*"], "apiGroups": ["admissionregistration.k8s.io"],
        "apiVersions": ["*"], "resources": ["*/*"] }] });
    let plural = "validatingwebhookconfigurations";
    let registered = register(&api, plural, &namespace, everything, hook.by_url("/"), more).await;
    unregister(&api, plural, &registered).await;
    assert!(hook.seen().is_empty());
    let mut broken = registered;
    broken["metadata"] = json!({ "name": "broken" });
    broken["webhooks"][0]["matchConditions"] = json!([{ "name": "x", "expression": "... [bad" }]);
    let refused = api.post(&format!("{GROUP}/{plural}"), &broken).await;
    assert!(refused.message().contains("compilation failed"), "{}", refused.message());
    refused.expect(422);
}

#[tokio::test]
async fn sub_resources_are_reviewed_as_what_they_are() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let hook = Outside::start(&[], |seen| {
        let asked = seen.json();
        match asked["request"]["subResource"].as_str().unwrap() {
            "scale" => patch(&asked, json!([{ "op": "replace", "path": "/spec/replicas", "value": 7 }])),
            _ => review(&asked, json!({ "allowed": false })),
        }
    })
    .await;
    let parts = json!(["deployments/scale", "pods/binding", "serviceaccounts/token"]);
    let plural = "mutatingwebhookconfigurations";
    register(&api, plural, &namespace, parts, hook.by_url("/"), json!({})).await;
    let deployments = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    api.post(&deployments, &deployment("web")).await.expect(201);
    let path = format!("{deployments}/web/scale");
    let scaled = api.patch(&path, "merge", &json!({ "spec": { "replicas": 3 } })).await.expect(200);
    assert_eq!((&scaled["kind"], &scaled["spec"]["replicas"]), (&json!("Scale"), &json!(7)));
    assert_eq!(api.get(&format!("{deployments}/web")).await.expect(200)["spec"]["replicas"], 7);
    let request = hook.seen()[0].json()["request"].clone();
    assert_eq!(request["kind"], json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" }));
    assert_eq!(
        (&request["object"]["spec"]["replicas"], &request["oldObject"]["spec"]["replicas"]),
        (&json!(3), &json!(2))
    );

    api.post(&format!("/api/v1/namespaces/{namespace}/pods"), &pod("p")).await.expect(201);
    let binding = json!({ "target": { "kind": "Node", "name": "n" } });
    api.post(&format!("/api/v1/namespaces/{namespace}/pods/p/binding"), &binding).await.expect(400);
    let request = hook.seen().last().unwrap().json()["request"].clone();
    assert_eq!((&request["operation"], &request["object"]["kind"]), (&json!("CREATE"), &json!("Binding")));
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    api.post(&account, &json!({ "metadata": { "name": "a" } })).await.expect(201);
    api.post(&format!("{account}/a/token"), &json!({})).await.expect(400);
}
