use orch_sdk::controller::{Change, Controller, ObjectRef, Outcome};
use orch_sdk::fake::Cluster;

use super::*;
use crate::Nodes;

const KEY: &str = "example.org/gone";

fn node(effect: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" },
        "spec": { "taints": [{ "key": KEY, "effect": effect }] } })
}

fn pod(name: &str, tolerations: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "shop", "uid": name },
        "spec": { "nodeName": "n", "tolerations": tolerations } })
}

fn tolerates(seconds: Value) -> Value {
    json!([{ "key": KEY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds }])
}

fn is_there(cluster: &Cluster, name: &str) -> bool {
    let at: ObjectRef = Kind::POD.object("shop", name);
    cluster.get(at).unwrap().is_some()
}

#[test]
fn who_tolerates_nothing_goes_at_once_and_is_told_why() {
    let cluster = Cluster::with([node("NoExecute"), pod("p", json!([]))]);
    Nodes::default().reconcile(&cluster, "n").unwrap();
    assert!(!is_there(&cluster, "p"));
    let writes = cluster.take_writes();
    assert_eq!(writes, ["patch Pod shop/p", "delete Pod shop/p"], "its condition is written first");
    assert!(cluster.events().iter().any(|event| event.reason == REASON));
}

#[test]
fn other_effects_evict_nobody() {
    let cluster = Cluster::with([node("NoSchedule"), pod("p", json!([]))]);
    let mut controller = Nodes::default();
    controller.reconcile(&cluster, "n").unwrap();
    controller.reconcile(&cluster, "shop/p").unwrap();
    assert!(is_there(&cluster, "p") && cluster.take_writes().is_empty());
}

#[test]
fn a_toleration_with_a_time_lets_the_pod_stay_that_long() {
    let cluster = Cluster::with([
        node("NoExecute"),
        pod("short", tolerates(10.into())),
        pod("long", tolerates(60.into())),
        pod("forever", tolerates(Value::Null)),
    ]);
    let mut controller = Nodes::default();
    let outcome = controller.reconcile(&cluster, "n").unwrap();
    assert_eq!(outcome, Outcome::requeue_after_ms(10_000));
    cluster.advance_ms(4_000);
    let outcome = controller.reconcile(&cluster, "shop/short").unwrap();
    assert_eq!(outcome, Outcome::requeue_after_ms(6_000), "its time does not begin anew");
    cluster.advance_ms(6_000);
    let outcome = controller.reconcile(&cluster, "n").unwrap();
    assert_eq!(outcome, Outcome::requeue_after_ms(50_000));
    assert!(!is_there(&cluster, "short") && is_there(&cluster, "long"));
    cluster.advance_ms(50_000);
    assert_eq!(controller.reconcile(&cluster, "n").unwrap(), Outcome::done());
    assert!(!is_there(&cluster, "long") && is_there(&cluster, "forever"));
}

#[test]
fn a_taint_that_is_taken_away_in_time_spares_the_pod() {
    let cluster = Cluster::with([node("NoExecute"), pod("p", tolerates(10.into()))]);
    let mut controller = Nodes::default();
    controller.reconcile(&cluster, "n").unwrap();
    let clean = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" }, "spec": {} });
    cluster.put(clean);
    cluster.advance_ms(20_000);
    assert_eq!(controller.reconcile(&cluster, "n").unwrap(), Outcome::done());
    assert!(is_there(&cluster, "p"));
    assert!(cluster.events().iter().any(|event| event.message.contains("Cancelling deletion of Pod shop/p")));
}

#[test]
fn the_least_time_of_the_tolerations_used_counts() {
    let taints = [Taint { key: "a".into(), value: String::new(), effect: "NoExecute".into() }];
    let fate = |tolerations: Value| Fate::of(&taints, &tolerations).unwrap();
    let toleration =
        |key: &str, seconds: i64| json!({ "key": key, "operator": "Exists", "tolerationSeconds": seconds });
    assert_eq!(fate(json!([toleration("a", 9), toleration("a", 5), toleration("b", 1)])), Fate::GoesAfter(5));
    assert_eq!(fate(json!([toleration("a", 0)])), Fate::Goes);
    assert_eq!(fate(json!([toleration("a", -3)])), Fate::Goes);
    assert_eq!(fate(json!([{ "operator": "Exists" }])), Fate::Stays);
    assert_eq!(fate(Value::Null), Fate::Goes);
}

#[test]
fn pods_wake_nobody_unless_their_node_evicts() {
    let cluster = Cluster::with([node("NoExecute")]);
    let mut controller = Nodes::default();
    let late = pod("late", json!([]));
    assert!(controller.keys(1, Change::Added, &late, None).is_empty());
    controller.reconcile(&cluster, "n").unwrap();
    assert_eq!(controller.keys(1, Change::Added, &late, None), ["shop/late"]);
    cluster.put(late);
    controller.reconcile(&cluster, "shop/late").unwrap();
    assert!(!is_there(&cluster, "late"));
}
