//! Forms of content: protobuf beside JSON and YAML, OpenAPI documents, compression.

use orch_object::protobuf;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::fixture::{Api, answer, config_map};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Code, content type and body.
async fn raw(request: reqwest::RequestBuilder) -> (u16, String, Vec<u8>) {
    let response = request.send().await.unwrap();
    let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap().to_string();
    (response.status().as_u16(), content_type, response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn objects_and_failures_come_and_go_in_protobuf() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let body = protobuf::encode(config_map("a").to_string().as_bytes()).unwrap();
    let post = || {
        let request =
            api.request(Method::POST, &path).header(CONTENT_TYPE, PROTOBUF).header(ACCEPT, PROTOBUF);
        raw(request.body(body.clone()))
    };
    let (code, content_type, created) = post().await;
    assert_eq!((code, content_type.as_str()), (201, PROTOBUF));
    let created = protobuf::decode(&created).unwrap();
    assert_eq!(created, api.get(&format!("{path}/a")).await.expect(200));
    let (code, _, status) = post().await;
    assert_eq!(code, 409);
    assert_eq!(protobuf::decode(&status).unwrap()["reason"], "AlreadyExists");
    let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": "other" } });
    let options = protobuf::encode(options.to_string().as_bytes()).unwrap();
    let delete =
        api.request(Method::DELETE, &format!("{path}/a")).header(CONTENT_TYPE, PROTOBUF).body(options);
    assert_eq!(raw(delete).await.0, 409, "the body's precondition counts");
}

#[tokio::test]
async fn lists_and_watches_come_in_protobuf() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    for name in ["a", "b"] {
        api.post(&path, &config_map(name)).await.expect(201);
    }
    let (code, content_type, list) = raw(api.request(Method::GET, &path).header(ACCEPT, PROTOBUF)).await;
    assert_eq!((code, content_type.as_str()), (200, PROTOBUF));
    assert!(list.starts_with(b"k8s\0") && contains(&list, b"ConfigMapList"));
    for name in ["a", "b"] {
        let object = api.get(&format!("{path}/{name}")).await.text;
        let whole = protobuf::encode(object.as_bytes()).unwrap();
        // The item is the object's message, which an envelope holds as it is.
        assert!(contains(&list, &whole[whole.len() - 40..]), "{name} is in the list");
    }
    let watch = api.request(Method::GET, &format!("{path}?watch=1&timeoutSeconds=1"));
    let (code, content_type, frames) = raw(watch.header(ACCEPT, format!("{PROTOBUF};stream=watch"))).await;
    assert_eq!((code, content_type.as_str()), (200, "application/vnd.kubernetes.protobuf;stream=watch"));
    let mut rest = &frames[..];
    let mut seen = 0;
    while let Some((length, after)) = rest.split_at_checked(4) {
        let (frame, next) = after.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize);
        assert!(frame.starts_with(b"\x0a\x05ADDED"), "{frame:?}");
        rest = next;
        seen += 1;
    }
    assert_eq!(seen, 2);
    let yaml =
        raw(api.request(Method::GET, &format!("{path}?watch=1")).header(ACCEPT, "application/yaml")).await;
    assert_eq!(yaml.0, 406, "YAML has no frames");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn what_has_no_protobuf_form_says_so() {
    let api = Api::start().await;
    let plugins = "/apis/plugins.orch.dev/v1alpha1/plugins";
    let (code, content_type, refused) = raw(api.request(Method::GET, plugins).header(ACCEPT, PROTOBUF)).await;
    assert_eq!((code, content_type.as_str()), (406, PROTOBUF));
    assert_eq!(protobuf::decode(&refused).unwrap()["reason"], "NotAcceptable");
    let both = format!("{PROTOBUF},application/json");
    assert_eq!(api.get_as(plugins, &both).await.expect(200)["kind"], "PluginList");
    let metadata = format!("{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    let (code, content_type, _) = raw(api.request(Method::GET, plugins).header(ACCEPT, metadata)).await;
    assert_eq!((code, content_type.as_str()), (200, PROTOBUF));
    let table = format!("{PROTOBUF};as=Table;g=meta.k8s.io;v=v1");
    assert_eq!(raw(api.request(Method::GET, "/api/v1/pods").header(ACCEPT, table)).await.0, 406);
    let (code, content_type, _) = raw(api.request(Method::GET, "/apis").header(ACCEPT, PROTOBUF)).await;
    assert_eq!((code, content_type.as_str()), (200, PROTOBUF));
}

#[tokio::test]
async fn openapi_v2_is_cached_compressed_and_follows_definitions() {
    let api = Api::start().await;
    let path = "/openapi/v2";
    let first = api.request(Method::GET, path).header(ACCEPT_ENCODING, "identity").send().await.unwrap();
    let header = |name: &str| first.headers()[name].to_str().unwrap().to_string();
    let (etag, modified) = (header("etag"), header("last-modified"));
    let document: Value = serde_json::from_slice(&first.bytes().await.unwrap()).unwrap();
    assert_eq!(document["swagger"], "2.0");
    assert!(document["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"].is_object());
    for (name, value) in [(IF_NONE_MATCH, &etag), (IF_MODIFIED_SINCE, &modified)] {
        let again = api.request(Method::GET, path).header(name.clone(), value).send().await.unwrap();
        assert_eq!(again.status(), 304, "{name}");
    }
    let compressed = api.request(Method::GET, path).header(ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    for accept in [
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    ] {
        let (code, content_type, bytes) = raw(api.request(Method::GET, path).header(ACCEPT, accept)).await;
        assert_eq!((code, content_type.contains("spec.v2.v1.0")), (200, true), "{content_type}");
        assert_eq!(bytes[..5], [0x0a, 3, b'2', b'.', b'0']);
    }
    assert_eq!(api.request(Method::GET, path).header(ACCEPT, "text/csv").send().await.unwrap().status(), 406);
    crate::definitions::established(&api).await;
    let changed = api.request(Method::GET, path).header(IF_NONE_MATCH, &etag).send().await.unwrap();
    assert_eq!(changed.status(), 200, "the table has changed");
    let changed: Value = serde_json::from_slice(&changed.bytes().await.unwrap()).unwrap();
    let definitions = changed["definitions"].as_object().unwrap();
    assert!(
        definitions.keys().any(|name| name.starts_with("com.example.")),
        "the definition is there at once"
    );
}

#[tokio::test]
async fn a_review_has_no_rows() {
    let api = Api::start().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } });
    let request = api.request(Method::POST, path).header("content-type", "application/json");
    let request = request.header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let refused = answer(request.body(review.to_string())).await;
    assert_eq!(
        (refused.code, refused.body["reason"].as_str()),
        (406, Some("NotAcceptable")),
        "{}",
        refused.text
    );
}
