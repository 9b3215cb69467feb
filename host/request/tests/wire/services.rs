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

const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";
const RANGES: &str = "/apis/networking.k8s.io/v1/servicecidrs";

#[tokio::test]
async fn an_address_is_an_object_as_long_as_its_service() {
    let api = Api::start().await;
    let namespace = api.namespace().await;
    let path = format!("/api/v1/namespaces/{namespace}/services");
    let created = api.post(&path, &service("s", json!({}))).await.expect(201);
    let ip = created["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let address = api.get(&format!("{ADDRESSES}/{ip}")).await.expect(200);
    let parent = json!({ "resource": "services", "namespace": namespace, "name": "s" });
    assert_eq!(address["spec"]["parentRef"], parent);
    let labels = json!({ "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" });
    assert_eq!(address["metadata"]["labels"], labels);
    assert_eq!(address["metadata"]["managedFields"][0]["manager"], "kube-apiserver");
    let seen = api.post(&format!("{path}?dryRun=All"), &service("dry", json!({}))).await.expect(201);
    let tried = seen["spec"]["clusterIP"].as_str().unwrap();
    assert_eq!(api.get(&format!("{ADDRESSES}/{tried}")).await.code, 404, "a dry run reserves nothing");
    api.delete(&format!("{path}/s")).await.expect(200);
    assert_eq!(api.get(&format!("{ADDRESSES}/{ip}")).await.code, 404);
}

#[tokio::test]
async fn addresses_are_of_the_ranges_that_are_ready() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/services", api.namespace().await);
    let wanted = |name: &str, ip: &str| service(name, json!({ "clusterIP": ip }));
    let refusal = |ip: &str, why: &str| {
        format!(r#"spec.clusterIPs: Invalid value: ["{ip}"]: failed to allocate IP {ip}: {why}"#)
    };
    let outside = "the provided network does not match the current range";
    let before = api.post(&path, &wanted("early", "10.211.0.5")).await;
    assert!(before.message().contains(&refusal("10.211.0.5", outside)), "{}", before.message());
    let range = json!({ "metadata": { "name": "more" }, "spec": { "cidrs": ["10.211.0.0/29"] } });
    api.post(RANGES, &range).await.expect(201);
    api.post(&path, &wanted("s", "10.211.0.5")).await.expect(201);
    let taken = json!({ "metadata": { "name": "10.211.0.6" }, "spec": {
        "parentRef": { "group": "gateway.networking.k8s.io", "resource": "gateways", "name": "g" } } });
    api.post(ADDRESSES, &taken).await.expect(201);
    let held = api.post(&path, &wanted("held", "10.211.0.6")).await;
    let why = "provided IP is already allocated";
    assert!(held.message().contains(&refusal("10.211.0.6", why)), "{}", held.message());
    for own in ["10.211.0.0", "10.211.0.7"] {
        let refused = api.post(&path, &wanted("own", own)).await;
        assert!(refused.message().contains(&refusal(own, outside)), "{}", refused.message());
    }
    let not_ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": "Terminating",
        "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" }] } });
    api.patch(&format!("{RANGES}/more/status"), "merge", &not_ready).await.expect(200);
    let late = api.post(&path, &wanted("late", "10.211.0.1")).await;
    assert!(late.message().contains(&refusal("10.211.0.1", outside)), "{}", late.message());
}
