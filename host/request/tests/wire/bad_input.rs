//! Input that nobody should send: the right `Status`, and a server that goes on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, answer, config_map, deployment};

async fn maps(api: &Api) -> String {
    format!("/api/v1/namespaces/{}/configmaps", api.namespace().await)
}

async fn send(api: &Api, path: &str, media: &str, body: impl Into<reqwest::Body>) -> Answer {
    answer(api.request(Method::POST, path).header(CONTENT_TYPE, media).body(body)).await
}

fn refused(answer: Answer, code: u16, reason: &str) {
    let what = (answer.code, answer.body["kind"].as_str(), answer.body["reason"].as_str());
    assert_eq!(what, (code, Some("Status"), Some(reason)), "{}", answer.text);
}

#[tokio::test]
async fn bodies_have_their_limits() {
    let api = Api::start().await;
    let path = maps(&api).await;
    let mut large = config_map("large");
    large["data"]["a"] = "x".repeat(3 << 20).into();
    let oversized = send(&api, &path, "application/json", large.to_string()).await;
    assert_eq!(oversized.message(), "Request entity too large: limit is 3145728");
    refused(oversized, 413, "RequestEntityTooLarge");
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for media in ["application/json", "application/yaml"] {
            refused(send(&api, &path, media, deep.clone()).await, 400, "BadRequest");
        }
    }
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        laughs += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    }
    refused(send(&api, &path, "application/yaml", laughs).await, 400, "BadRequest");
    api.post(&path, &config_map("small")).await.expect(201);
}

#[tokio::test]
async fn bodies_are_what_their_type_says() {
    let api = Api::start().await;
    let path = maps(&api).await;
    let json = config_map("a").to_string();
    refused(send(&api, &path, "text/csv", json.clone()).await, 415, "UnsupportedMediaType");
    refused(send(&api, &path, "application/vnd.kubernetes.protobuf", json).await, 400, "BadRequest");
    refused(
        send(&api, &path, "application/json", &b"{\"metadata\":{\"name\":\"\xff\"}}"[..]).await,
        400,
        "BadRequest",
    );
    refused(send(&api, &path, "application/json", "").await, 400, "BadRequest");
    refused(send(&api, &path, "application/json", "[]").await, 400, "BadRequest");
    // An object without a field, as upstream reads it.
    refused(send(&api, &path, "application/json", "null").await, 422, "Invalid");
    let patch =
        api.request(Method::PATCH, &format!("{path}/a")).header(CONTENT_TYPE, "application/json").body("{}");
    refused(answer(patch).await, 415, "UnsupportedMediaType");
}

#[tokio::test]
async fn numbers_fit_their_fields() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    for number in ["99999999999", "99999999999999999999999", "1e400", "1.5", "-1e30"] {
        let body = deployment("a").to_string().replace("\"replicas\":2", &format!("\"replicas\":{number}"));
        refused(send(&api, &path, "application/json", body).await, 400, "BadRequest");
    }
    let list = format!("/api/v1/namespaces/{namespace}/configmaps");
    for query in ["limit=99999999999999999999", "timeoutSeconds=x", "limit=1.5"] {
        refused(api.get(&format!("{list}?{query}")).await, 400, "BadRequest");
    }
}

#[tokio::test]
async fn versions_and_tokens_cannot_be_made_up() {
    let api = Api::start().await;
    let path = maps(&api).await;
    let created = api.post(&path, &config_map("a")).await.expect(201);
    for version in ["x", "-1", "0x10", "1.0"] {
        let mut stale = created.clone();
        stale["metadata"]["resourceVersion"] = version.into();
        let code = api.put(&format!("{path}/a"), &stale).await.code;
        assert!([400, 409, 422].contains(&code), "{version}: {code}");
        refused(api.get(&format!("{path}?resourceVersion={version}")).await, 400, "BadRequest");
    }
    let forge =
        |token: Value| format!("{path}?limit=1&continue={}", URL_SAFE_NO_PAD.encode(token.to_string()));
    let start = format!("{}/a", path.trim_start_matches("/api/v1/namespaces/"));
    for token in [
        json!({}),
        json!({ "v": "orch/v1", "rv": 1, "start": "core/secrets/kube-system/" }),
        json!({ "v": "orch/v1", "rv": "x", "start": start }),
        json!({ "v": "meta.k8s.io/v1", "rv": 1, "start": "a" }),
        json!({ "v": "orch/v1", "rv": -7, "start": "../../" }),
    ] {
        refused(api.get(&forge(token)).await, 400, "BadRequest");
    }
    // The right place at a time that never was.
    let first = api.post(&path, &config_map("b")).await.expect(201);
    assert!(first["metadata"]["uid"].is_string());
    let page = api.get(&format!("{path}?limit=1")).await.expect(200);
    let token = URL_SAFE_NO_PAD.decode(page["metadata"]["continue"].as_str().unwrap()).unwrap();
    let mut token: Value = serde_json::from_slice(&token).unwrap();
    token["rv"] = json!(i64::MAX);
    let future = api.get(&forge(token)).await;
    assert_eq!(future.code, 504, "{}", future.text);
}

#[tokio::test]
async fn urls_lead_somewhere_or_nowhere() {
    let api = Api::start().await;
    for path in [
        "/api/v1/namespaces/%00/pods/%ff",
        "/api/v1/../../etc/passwd",
        "/apis/apps/v1/namespaces//deployments",
        "/api/v1/namespaces/a/pods/b/c/d/e/f",
        "/api/v1/pods?labelSelector=%zz(((",
        "/api/v1/pods?fieldSelector=%3D%3D%3D",
    ] {
        let answered = api.get(path).await;
        assert!((200..500).contains(&answered.code), "{path}: {}", answered.text);
    }
    let long = format!("/api/v1/pods?labelSelector={}", vec!["a%3Db"; 5_000].join("%2C"));
    assert!((200..500).contains(&api.get(&long).await.code));
}

#[tokio::test]
async fn owners_may_own_one_another() {
    let api = Api::start().await;
    let path = maps(&api).await;
    let owner = |of: &Value| {
        json!({ "metadata": { "ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": of["metadata"]["name"], "uid": of["metadata"]["uid"],
            "blockOwnerDeletion": true,
        }] } })
    };
    let a = api.post(&path, &config_map("a")).await.expect(201);
    let b = api.post(&path, &config_map("b")).await.expect(201);
    api.patch(&format!("{path}/a"), "merge", &owner(&b)).await.expect(200);
    api.patch(&format!("{path}/b"), "merge", &owner(&a)).await.expect(200);
    api.patch(&format!("{path}/a"), "merge", &owner(&a)).await.expect(200);
    let options = json!({ "propagationPolicy": "Background" });
    api.delete_with(&format!("{path}/a"), options).await.expect(200);
    assert_eq!(api.get(&format!("{path}/a")).await.code, 404);
}

#[tokio::test]
async fn definitions_that_explode_are_refused_or_lived_with() {
    let api = Api::start().await;
    let group = format!("{}.example.com", api.namespace().await);
    let definition = |plural: &str, schema: Value| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced", "names": { "plural": plural, "kind": plural.to_uppercase() },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
            },
        })
    };
    let mut deep = json!({ "type": "string" });
    for _ in 0..55 {
        deep = json!({ "type": "object", "properties": { "a": deep } });
    }
    let wide: serde_json::Map<String, Value> =
        (0..20_000).map(|n| (format!("f{n}"), json!({ "type": "string" }))).collect();
    let rule = "self.a.all(x, self.a.all(y, self.a.all(z, self.a.all(w, x == y && z == w))))";
    let costly = json!({
        "type": "object", "properties": { "a": { "type": "array", "items": { "type": "string" } } },
        "x-kubernetes-validations": [{ "rule": rule }],
    });
    let looping = json!({ "type": "object", "properties": { "a": { "$ref": "#/properties/a" } } });
    let pattern = json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "((a{1000}){1000}){1000}" } } });
    for (plural, schema) in [
        ("deeps", deep),
        ("wides", json!({ "type": "object", "properties": wide })),
        ("costlies", costly),
        ("loops", looping),
        ("patterns", pattern),
    ] {
        let created = api
            .post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition(plural, schema))
            .await;
        assert!([201, 400, 422].contains(&created.code), "{plural}: {}", created.text);
    }
    assert_eq!(api.get("/openapi/v2").await.code, 200);
    assert_eq!(api.get("/livez").await.code, 200);
}
