//! APIServices: group versions served here, and by another API server.

use serde_json::{Value, json};

use crate::fixture::Api;
use crate::outside::{Outside, Reply};

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// A small API server for one group: it knows one flunder.
async fn extension(group: &str, name: &str) -> Outside {
    let group = group.to_owned();
    Outside::start(&[name], move |seen| {
        let base = format!("/apis/{group}/v1");
        let flunder = json!({ "apiVersion": format!("{group}/v1"), "kind": "Flunder", "metadata": { "name": "f" } });
        let path = seen.path.split('?').next().unwrap();
        match path {
            "/apis" => Reply::Json(json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
                "items": [{ "metadata": { "name": group }, "versions": [{ "version": "v1", "freshness": "Current",
                    "resources": [{ "resource": "flunders", "scope": "Namespaced", "verbs": ["get"],
                        "singularResource": "flunder",
                        "responseKind": { "group": group, "version": "v1", "kind": "Flunder" } }] }] }] })),
            "/openapi/v3" => {
                let url = format!("/openapi/v3{base}?hash=ABC");
                Reply::Json(json!({ "paths": { (&base[1..]): { "serverRelativeURL": url } } }))
            }
            "/openapi/v2" => Reply::Json(json!({ "swagger": "2.0",
                "paths": { format!("{base}/flunders"): { "get": { "schema": { "$ref": "#/definitions/example.Flunder" } } },
                    "/apis/other.example/v1/": {} },
                "definitions": { "example.Flunder": { "type": "object" }, "example.Unused": {} } })),
            path if path == base => Reply::Json(json!({ "kind": "APIResourceList", "apiVersion": "v1",
                "groupVersion": format!("{group}/v1"), "resources": [{ "name": "flunders", "singularName": "flunder",
                    "namespaced": true, "kind": "Flunder", "verbs": ["get"] }] })),
            path if path == format!("/openapi/v3{base}") => Reply::Json(json!({ "openapi": "3.0.0", "of": "the extension" })),
            path if path.ends_with("/flunders/f") => Reply::Json(flunder),
            path if path.ends_with("/flunders") && seen.path.contains("watch=1") => {
                let event = json!({ "type": "ADDED", "object": flunder }).to_string();
                Reply::Raw(200, vec![("content-type", "application/json".into())], format!("{event}\n").into_bytes())
            }
            path if path.ends_with("/away") => Reply::Raw(302, vec![("location", "https://elsewhere/".into())], vec![]),
            _ => Reply::Raw(404, vec![], b"not here".to_vec()),
        }
    })
    .await
}

/// Waits for the condition of an APIService and gives it back.
async fn condition(api: &Api, name: &str, reason: &str) -> Value {
    let path = format!("{SERVICES}?watch=1&fieldSelector=metadata.name%3D{name}");
    let events =
        api.watch_until(&path, |event| event["object"]["status"]["conditions"][0]["reason"] == reason).await;
    events.last().unwrap()["object"]["status"]["conditions"][0].clone()
}

fn remote(group: &str, namespace: &str, service: &str, port: u16, ca_bundle: &str) -> Value {
    json!({ "metadata": { "name": format!("v1.{group}") }, "spec": {
        "group": group, "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": ca_bundle,
        "service": { "namespace": namespace, "name": service, "port": port } } })
}

#[tokio::test]
async fn another_server_becomes_part_of_the_api() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let group = format!("{namespace}.example.com");
    let server = extension(&group, &format!("api.{namespace}.svc")).await;
    let service = json!({ "metadata": { "name": "api" }, "spec": { "type": "ExternalName", "externalName": "localhost" } });
    api.post(&format!("/api/v1/namespaces/{namespace}/services"), &service).await.expect(201);
    let registration = remote(&group, &namespace, "api", server.address.port(), &server.ca_bundle);
    api.post(SERVICES, &registration).await.expect(201);
    let good = condition(&api, &format!("v1.{group}"), "Passed").await;
    assert_eq!((&good["status"], &good["message"]), (&json!("True"), &json!("all checks passed")));

    // Discovery, in every form.
    let groups = api.get("/apis").await.expect(200);
    let listed = groups["groups"].as_array().unwrap().iter().find(|listed| listed["name"] == group.as_str());
    assert_eq!(listed.unwrap()["preferredVersion"]["groupVersion"], format!("{group}/v1"));
    assert_eq!(api.get(&format!("/apis/{group}")).await.expect(200)["versions"][0]["version"], "v1");
    let plain = api.get(&format!("/apis/{group}/v1")).await.expect(200);
    assert_eq!(plain["resources"][0]["name"], "flunders");
    let aggregated = api.get_as("/apis", AGGREGATED).await.expect(200);
    let item = aggregated["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["metadata"]["name"] == group.as_str());
    assert_eq!(item.unwrap()["versions"][0]["resources"][0]["resource"], "flunders");
    assert_eq!(item.unwrap()["versions"][0]["freshness"], "Current");
    let index = api.get("/openapi/v3").await.expect(200);
    let url = format!("/openapi/v3/apis/{group}/v1?hash=ABC");
    assert_eq!(index["paths"][format!("apis/{group}/v1")]["serverRelativeURL"], url);
    assert_eq!(api.get(&url).await.expect(200)["of"], "the extension");

    let whole = api.get("/openapi/v2").await;
    let (etag, whole) = (whole.headers["etag"].clone(), whole.expect(200));
    assert!(whole["paths"][format!("/apis/{group}/v1/flunders")].is_object());
    assert!(
        whole["paths"]["/api/v1/pods"].is_object() && whole["paths"]["/apis/other.example/v1/"].is_null()
    );
    assert_eq!(whole["definitions"]["example.Flunder"]["type"], "object");
    assert!(whole["definitions"]["example.Unused"].is_null());

    // Requests, in the name of who asks.
    let path = format!("/apis/{group}/v1/namespaces/{namespace}/flunders");
    let flunder = api.get(&format!("{path}/f?pretty=true")).await.expect(200);
    assert_eq!(flunder["kind"], "Flunder");
    let seen = server.seen().into_iter().rfind(|seen| seen.path.contains("/flunders/f")).unwrap();
    assert!(seen.path.ends_with("/flunders/f?pretty=true"));
    assert_eq!(seen.client.as_deref(), Some("front-proxy-client"));
    assert!(!seen.headers["x-remote-user"].is_empty());
    let groups: Vec<&str> =
        seen.headers.get_all("x-remote-group").iter().map(|g| g.to_str().unwrap()).collect();
    assert!(groups.contains(&"system:masters"), "{groups:?}");
    let events = api.watch_until(&format!("{path}?watch=1"), |_| true).await;
    assert_eq!(events[0]["type"], "ADDED");
    assert_eq!(api.get(&format!("{path}/none")).await.code, 404);
    assert_eq!(api.get(&format!("{path}/f/away")).await.code, 502);
    assert_eq!(crate::fixture::answer(api.anonymous(&format!("{path}/f"))).await.code, 403);

    drop(server);
    let table =
        api.get_as(&format!("{SERVICES}/v1.{group}"), "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(table.expect(200)["rows"][0]["cells"][1], format!("{namespace}/api"));
    api.delete(&format!("{SERVICES}/v1.{group}")).await.expect(200);
    assert_eq!(api.get(&format!("{path}/f")).await.code, 404);
    let forgotten = async {
        while api.get("/openapi/v2").await.headers["etag"] == etag {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), forgotten).await.expect("its part goes with it");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let group = format!("{namespace}.example.com");
    api.post(SERVICES, &remote(&group, &namespace, "api", 443, "")).await.expect(201);
    let name = format!("v1.{group}");
    let missing = condition(&api, &name, "ServiceNotFound").await;
    assert_eq!(missing["message"], format!(r#"service/api in "{namespace}" is not present"#));
    let refused = api.get(&format!("/apis/{group}/v1/flunders")).await;
    assert_eq!((refused.code, refused.text.as_str()), (503, "service unavailable\n"));
    let services = format!("/api/v1/namespaces/{namespace}/services");
    let other = json!({ "metadata": { "name": "api" }, "spec": { "ports": [{ "port": 80 }] } });
    api.post(&services, &other).await.expect(201);
    let wrong = condition(&api, &name, "ServicePortError").await;
    assert_eq!(wrong["message"], format!(r#"service/api in "{namespace}" is not listening on port 443"#));
    let ports = json!({ "spec": { "ports": [{ "port": 80, "name": "a" }, { "port": 443, "name": "b" }] } });
    api.patch(&format!("{services}/api"), "merge", &ports).await.expect(200);
    let nobody = condition(&api, &name, "EndpointsNotFound").await;
    assert_eq!(nobody["message"], format!(r#"cannot find endpointslices for service/api in "{namespace}""#));
    // Clients still learn that the group is there.
    let aggregated = api.get_as("/apis", AGGREGATED).await.expect(200);
    let item = aggregated["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["metadata"]["name"] == group.as_str());
    assert_eq!(item.unwrap()["versions"][0]["freshness"], "Stale");
}

#[tokio::test]
async fn every_version_served_here_is_registered() {
    let api = Api::start().await;
    let local = condition(&api, "v1.apps", "Local").await;
    assert_eq!(local["message"], "Local APIServices are always available");
    let apps = api.get(&format!("{SERVICES}/v1.apps")).await.expect(200);
    let spec =
        json!({ "group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15 });
    assert_eq!(apps["spec"], spec);
    // Whatever is done to it, it comes back.
    api.delete(&format!("{SERVICES}/v1.apps")).await.expect(200);
    api.watch_until(&format!("{SERVICES}?watch=1&fieldSelector=metadata.name%3Dv1.apps"), |event| {
        event["type"] == "ADDED" && event["object"]["metadata"]["uid"] != apps["metadata"]["uid"]
    })
    .await;
    let table = api
        .get_as(&format!("{SERVICES}/v1."), "application/json;as=Table;v=v1;g=meta.k8s.io")
        .await
        .expect(200);
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..3], [json!("v1."), json!("Local"), json!("True")]);

    let group = format!("g{}.example.com", &uuid::Uuid::new_v4().to_string()[..8]);
    let schema = json!({ "openAPIV3Schema": { "type": "object" } });
    let definition = json!({ "metadata": { "name": format!("widgets.{group}") }, "spec": {
        "group": group, "scope": "Cluster", "names": { "plural": "widgets", "kind": "Widget" },
        "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }] } });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.post(definitions, &definition).await.expect(201);
    let registered = condition(&api, &format!("v1.{group}"), "Local").await;
    assert_eq!(registered["status"], "True");
    let version =
        api.get(SERVICES).await.expect(200)["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    api.delete(&format!("{definitions}/widgets.{group}")).await.expect(200);
    let path =
        format!("{SERVICES}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Dv1.{group}");
    api.watch_until(&path, |event| event["type"] == "DELETED").await;
}

#[tokio::test]
async fn extension_servers_find_whom_to_believe() {
    let api = Api::start().await;
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let data = api.get(path).await.expect(200)["data"].clone();
    for field in ["client-ca-file", "requestheader-client-ca-file"] {
        assert!(data[field].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"), "{field}");
    }
    assert_ne!(data["client-ca-file"], data["requestheader-client-ca-file"]);
    assert_eq!(data["requestheader-allowed-names"], r#"["front-proxy-client"]"#);
    assert_eq!(data["requestheader-username-headers"], r#"["X-Remote-User"]"#);
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/extension-apiserver-authentication-reader";
    let rules = api.get(role).await.expect(200)["rules"].clone();
    assert_eq!(rules[0]["resourceNames"], json!(["extension-apiserver-authentication"]));
}
