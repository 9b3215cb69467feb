use orch_sdk::fake::Cluster;

use super::*;

fn service(selector: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "db", "namespace": "shop" },
        "spec": { "selector": selector } })
}

fn endpoints(subsets: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": "db", "namespace": "shop", "uid": "e", "labels": { "team": "x" } },
        "subsets": subsets })
}

fn subsets() -> Value {
    json!([{
        "addresses": [{ "ip": "10.1.0.1", "nodeName": "n" }, { "ip": "fd00::1" }],
        "notReadyAddresses": [{ "ip": "10.1.0.2" }],
        "ports": [{ "name": "sql", "port": 5432 }],
    }])
}

fn reconcile(cluster: &Cluster) -> Vec<Value> {
    Mirroring.reconcile(cluster, "shop/db").unwrap();
    let mut slices = cluster.objects(SLICES, "shop");
    slices.sort_by_key(|slice| slice["addressType"].to_string());
    slices
}

#[test]
fn addresses_are_mirrored_by_family() {
    let cluster = Cluster::with([service(Value::Null), endpoints(subsets())]);
    let slices = reconcile(&cluster);
    assert_eq!(slices.len(), 2);
    let [four, six] = &slices[..] else { unreachable!() };
    assert_eq!(
        four["endpoints"],
        json!([
            { "addresses": ["10.1.0.1"], "conditions": { "ready": true }, "nodeName": "n" },
            { "addresses": ["10.1.0.2"], "conditions": { "ready": false } },
        ])
    );
    assert_eq!(six["endpoints"][0]["addresses"], json!(["fd00::1"]));
    assert_eq!(four["ports"], json!([{ "name": "sql", "port": 5432, "protocol": "TCP" }]));
    assert_eq!(four["metadata"]["labels"], json!({ "team": "x", SERVICE_NAME: "db", MANAGED_BY: MANAGER }));
    assert_eq!(four["metadata"]["ownerReferences"][0]["uid"], "e");
    cluster.take_writes();
    reconcile(&cluster);
    assert!(cluster.take_writes().is_empty(), "what is right is left alone");
}

#[test]
fn a_change_is_followed_and_a_slice_kept() {
    let cluster = Cluster::with([service(Value::Null), endpoints(subsets())]);
    let name = reconcile(&cluster)[0]["metadata"]["name"].clone();
    cluster.put(endpoints(json!([{
        "addresses": [{ "ip": "10.1.0.9" }], "ports": [{ "name": "sql", "port": 5432 }],
    }])));
    let slices = reconcile(&cluster);
    assert_eq!(slices.len(), 1, "nobody has an IPv6 address any more");
    assert_eq!(slices[0]["metadata"]["name"], name);
    assert_eq!(slices[0]["endpoints"][0]["addresses"], json!(["10.1.0.9"]));
}

#[test]
fn what_others_keep_is_not_mirrored() {
    let skipped = |mut endpoints: Value, field: &str, name: &str, value: &str| {
        endpoints["metadata"][field][name] = value.into();
        endpoints
    };
    for (service, endpoints) in [
        (service(json!({ "app": "db" })), endpoints(subsets())),
        (service(Value::Null), skipped(endpoints(subsets()), "labels", SKIP, "true")),
        (service(Value::Null), skipped(endpoints(subsets()), "annotations", LEADER, "{}")),
    ] {
        assert!(reconcile(&Cluster::with([service, endpoints])).is_empty());
    }
    assert!(reconcile(&Cluster::with([endpoints(subsets())])).is_empty(), "there is no Service");
}

#[test]
fn slices_go_with_their_endpoints() {
    let cluster = Cluster::with([service(Value::Null), endpoints(subsets())]);
    let slices = reconcile(&cluster);
    assert_eq!(Mirroring.keys(2, Change::Modified, &slices[0], None), ["shop/db"]);
    cluster.delete(ENDPOINTS.object("shop", "db"), &DeleteOptions::default()).unwrap();
    assert!(reconcile(&cluster).is_empty());
}
