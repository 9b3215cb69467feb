use std::collections::HashSet;

use serde_json::{Value, json};

use crate::fixture::Api;

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({
        "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
    });
    for (field, value) in spec.as_object().unwrap() {
        service["spec"][field] = value.clone();
    }
    service
}

#[tokio::test]
async fn addresses_are_unique_and_come_back() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/services", api.namespace().await);
    let created = (0..30).map(|index| {
        let (api, path) = (&api, &path);
        async move { api.post(path, &service(&format!("s{index}"), json!({}))).await.expect(201) }
    });
    let created = futures::future::join_all(created).await;
    let addresses: HashSet<&str> = created.iter().map(|s| s["spec"]["clusterIP"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 30);
    assert_eq!(created[0]["spec"]["clusterIPs"][0], created[0]["spec"]["clusterIP"]);
    let ip = created[0]["spec"]["clusterIP"].clone();
    let taken = api.post(&path, &service("taken", json!({ "clusterIP": ip }))).await;
    assert_eq!(taken.code, 422);
    assert!(taken.message().contains("provided IP is already allocated"), "{}", taken.text);
    api.delete(&format!("{path}/s0")).await.expect(200);
    api.post(&path, &service("taken", json!({ "clusterIP": ip }))).await.expect(201);
}

#[tokio::test]
async fn headless_services_have_no_address() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/services", api.namespace().await);
    let headless = api.post(&path, &service("h", json!({ "clusterIP": "None" }))).await.expect(201);
    assert_eq!(headless["spec"]["clusterIP"], "None");
}

#[tokio::test]
async fn node_ports_are_given_kept_and_released() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/services", api.namespace().await);
    let mut object = api.post(&path, &service("np", json!({ "type": "NodePort" }))).await.expect(201);
    let port = object["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&port));
    let wanted = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": port }] });
    let taken = api.post(&path, &service("other", wanted.clone())).await;
    assert!(taken.message().contains("provided port is already allocated"), "{}", taken.text);
    object["spec"]["type"] = "ClusterIP".into();
    object["spec"]["ports"][0].as_object_mut().unwrap().remove("nodePort");
    api.put(&format!("{path}/np"), &object).await.expect(200);
    api.post(&path, &service("other", wanted)).await.expect(201);
    let outside = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 80 }] });
    let outside = api.post(&path, &service("outside", outside)).await;
    assert!(outside.message().contains("not in the valid range"), "{}", outside.text);
}

#[tokio::test]
async fn a_dry_update_shows_the_ports_it_would_give() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/services", api.namespace().await);
    let plain = json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false });
    let mut object = api.post(&path, &service("b", plain)).await.expect(201);
    assert!(object["spec"]["ports"][0]["nodePort"].is_null());
    object["spec"]["allocateLoadBalancerNodePorts"] = true.into();
    let shown = api.put(&format!("{path}/b?dryRun=All"), &object).await.expect(200);
    assert!(shown["spec"]["ports"][0]["nodePort"].is_i64());
    let kept = api.get(&format!("{path}/b")).await.expect(200);
    assert!(kept["spec"]["ports"][0]["nodePort"].is_null());
}
