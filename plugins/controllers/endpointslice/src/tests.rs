use orch_sdk::fake::Cluster;

use super::*;

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "uid": "s", "labels": {"team": "a"}},
        "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.5", "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}})
}
fn pod(name: &str, ip: &str, ready: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": "web"}},
        "spec": {"nodeName": "n", "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
}
fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z1"}}})
}
fn slices(cluster: &Cluster) -> Vec<Value> {
    cluster.objects(SLICES, "shop")
}
fn reconcile(cluster: &Cluster, key: &str) {
    EndpointSlices.reconcile(cluster, key).unwrap();
}

#[test]
fn a_service_gets_its_slice() {
    let cluster = Cluster::with([
        service(),
        node(),
        pod("a", "10.0.0.1", true),
        pod("b", "10.0.0.2", false),
        pod("c", "", true),
    ]);
    reconcile(&cluster, "shop/web");
    let slice = slices(&cluster).remove(0);
    assert!(slice.name().starts_with("web-"));
    assert_eq!(slice.label(SERVICE_NAME), Some("web"));
    assert_eq!(slice.label("team"), Some("a"));
    assert_eq!(slice.controller().unwrap().uid, "s");
    assert_eq!(slice["ports"], json!([{"name": "", "port": 8080, "protocol": "TCP"}]));
    let endpoints = slice.items(&["endpoints"]);
    assert_eq!(endpoints.len(), 2);
    assert_eq!(endpoints[0]["conditions"], json!({"ready": true, "serving": true, "terminating": false}));
    assert_eq!((&endpoints[0]["zone"], &endpoints[0]["nodeName"]), (&json!("z1"), &json!("n")));
    assert_eq!(endpoints[1]["conditions"]["ready"], false);
    cluster.take_writes();
    reconcile(&cluster, "shop/web");
    assert!(cluster.take_writes().is_empty(), "nothing changed, nothing written");
}

#[test]
fn a_pods_change_finds_its_services() {
    let cluster = Cluster::with([service(), pod("a", "10.0.0.1", false)]);
    reconcile(&cluster, "shop/web");
    let ready = pod("a", "10.0.0.1", true);
    cluster.put(ready.clone());
    let keys = EndpointSlices.keys(PODS, Change::Modified, &ready, Some(&pod("a", "10.0.0.1", false)));
    assert_eq!(keys, ["?shop/{\"app\":\"web\"}"]);
    reconcile(&cluster, &keys[0]);
    assert_eq!(slices(&cluster)[0]["endpoints"][0]["conditions"]["ready"], true);
}

#[test]
fn a_terminating_pod_serves_and_is_not_ready() {
    let mut going = pod("a", "10.0.0.1", true);
    going.set(&["metadata", "deletionTimestamp"], "2026-11-21T12:00:00Z");
    let cluster = Cluster::with([service(), going]);
    reconcile(&cluster, "shop/web");
    assert_eq!(
        slices(&cluster)[0]["endpoints"][0]["conditions"],
        json!({"ready": false, "serving": true, "terminating": true})
    );
}

#[test]
fn headless_services_name_their_pods() {
    let mut headless = service();
    headless["spec"] =
        json!({"selector": {"app": "web"}, "clusterIP": "None", "publishNotReadyAddresses": true});
    let mut named = pod("a", "10.0.0.1", false);
    named["spec"]["hostname"] = "web-0".into();
    named["spec"]["subdomain"] = "web".into();
    let cluster = Cluster::with([headless, named]);
    reconcile(&cluster, "shop/web");
    let slice = slices(&cluster).remove(0);
    assert_eq!(slice["endpoints"][0]["hostname"], "web-0");
    assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true, "it publishes what is not ready");
    assert_eq!(slice.label("service.kubernetes.io/headless"), Some(""));
    assert_eq!(slice["ports"], Value::Null);
}

#[test]
fn the_slices_go_with_the_service() {
    let cluster = Cluster::with([service(), pod("a", "10.0.0.1", true)]);
    reconcile(&cluster, "shop/web");
    cluster.delete(Kind::SERVICE.object("shop", "web"), &DeleteOptions::default()).unwrap();
    reconcile(&cluster, "shop/web");
    assert!(slices(&cluster).is_empty());
}

#[test]
fn services_without_a_selector_are_left_alone() {
    let mut plain = service();
    plain["spec"].as_object_mut().unwrap().remove("selector");
    let cluster = Cluster::with([plain]);
    reconcile(&cluster, "shop/web");
    assert!(slices(&cluster).is_empty());
}
