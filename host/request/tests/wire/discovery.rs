use serde_json::{Value, json};

use crate::fixture::{Api, answer};

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

#[tokio::test]
async fn both_forms_name_the_kinds() {
    let api = Api::start().await;
    let plain = api.get("/api/v1").await.expect(200);
    let pods = plain["resources"].as_array().unwrap().iter().find(|r| r["name"] == "pods").unwrap();
    assert_eq!((&pods["shortNames"], &pods["namespaced"]), (&json!(["po"]), &json!(true)));
    let groups = api.get("/apis").await.expect(200);
    assert!(groups["groups"].as_array().unwrap().iter().any(|g| g["name"] == "apps"));
    api.get("/apis/apps").await.expect(200);
    api.get("/apis/apps/v1").await.expect(200);
    let all = api.get_as("/apis", AGGREGATED).await;
    assert!(all.headers["content-type"].to_str().unwrap().contains("APIGroupDiscoveryList"));
    let apps =
        all.body["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps").unwrap();
    let deployments: Vec<&Value> = apps["versions"][0]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["resource"] == "deployments")
        .collect();
    let parts: Vec<&Value> =
        deployments[0]["subresources"].as_array().unwrap().iter().map(|s| &s["subresource"]).collect();
    assert!(parts.contains(&&json!("scale")) && parts.contains(&&json!("status")), "{parts:?}");
    let etag = all.headers["etag"].clone();
    let request = api.request(reqwest::Method::GET, "/apis").header("accept", AGGREGATED);
    assert_eq!(answer(request.header("if-none-match", etag)).await.code, 304);
}

#[tokio::test]
async fn openapi_is_found_by_its_hash() {
    let api = Api::start().await;
    let index = api.get("/openapi/v3").await.expect(200);
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
    let document = api.get(url).await.expect(200);
    assert_eq!(document["openapi"], "3.0.0");
    assert!(document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
}

#[tokio::test]
async fn a_schema_comes_as_it_is_asked_for() {
    let api = Api::start().await;
    let path = "/openapi/v3/apis/apps";
    let protobuf = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";
    let request = api.request(reqwest::Method::GET, path).header("accept", protobuf);
    let binary = request.send().await.expect("an answer");
    let content_type = binary.headers()["content-type"].clone();
    assert_eq!(content_type, "application/com.github.proto-openapi.spec.v3.v1.0+protobuf");
    assert!(binary.bytes().await.expect("a body").starts_with(b"\x0a\x053.0.0"));
    let request = api.request(reqwest::Method::GET, path).header("accept", "text/csv");
    assert_eq!(answer(request).await.code, 406);
    let etag = api.get(path).await.headers["etag"].clone();
    let request = api.request(reqwest::Method::GET, path).header("if-none-match", etag);
    assert_eq!(answer(request).await.code, 304);
    // A hash of another time leads to the document as it is.
    assert_eq!(api.get(&format!("{path}?hash=0")).await.expect(200)["openapi"], "3.0.0");
}

#[tokio::test]
async fn groups_are_listed_by_their_priorities() {
    let api = Api::start().await;
    let groups = api.get("/apis").await.expect(200);
    let names: Vec<&Value> =
        groups["groups"].as_array().unwrap().iter().map(|group| &group["name"]).collect();
    assert_eq!(names[..3], ["apiregistration.k8s.io", "apps", "events.k8s.io"]);
    assert_eq!(names.last(), Some(&&json!("plugins.orch.dev")));
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done() {
    let api = Api::start().await;
    let method = |method: reqwest::Method, path: &str| answer(api.request(method, path));
    assert_eq!(method(reqwest::Method::POST, "/healthz").await.code, 200);
    assert_eq!(method(reqwest::Method::POST, "/nowhere").await.code, 404);
    assert_eq!(method(reqwest::Method::POST, "/version").await.code, 405);
    let version = api.get("/apis/apps/v9").await;
    assert_eq!((version.code, version.message()), (404, "the server could not find the requested resource"));
}

#[tokio::test]
async fn health_version_and_nowhere() {
    let api = Api::start().await;
    let version = api.get("/version").await.expect(200);
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("37")));
    for path in ["/healthz", "/livez", "/readyz", "/livez/ping"] {
        assert_eq!(api.get(path).await.text, "ok", "{path}");
    }
    assert!(api.get("/readyz?verbose").await.text.ends_with("readyz check passed\n"));
    let nowhere = api.get("/nowhere").await;
    assert_eq!((nowhere.code, nowhere.text.as_str()), (404, "404 page not found\n"));
    let unknown = api.get("/apis/apps/v1/gadgets").await;
    assert_eq!((unknown.code, unknown.message()), (404, "the server could not find the requested resource"));
}

#[tokio::test]
async fn every_cluster_is_born_with_these() {
    let api = Api::start().await;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let namespace = api.get(&format!("/api/v1/namespaces/{name}")).await.expect(200);
        assert_eq!(namespace["status"]["phase"], "Active");
    }
    let service = api.get("/api/v1/namespaces/default/services/kubernetes").await.expect(200);
    assert_eq!(service["spec"]["clusterIP"], "10.96.0.1");
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    assert!(api.get(path).await.expect(200)["endpoints"][0]["addresses"][0].is_string());
    api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin").await.expect(200);
}
