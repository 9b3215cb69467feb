use orch_sdk::fake::Cluster;
use orch_sdk::json;
use orch_sdk::time::rfc3339;

use super::*;

fn node(name: &str, ready: &str, taint: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "spec": { "taints": [{ "key": taint, "effect": "NoExecute" }] },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
}

fn pod(name: &str, node: &str, phase: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "shop", "uid": name },
        "spec": { "nodeName": node }, "status": { "phase": phase } })
}

/// Being deleted, and held by somebody.
fn going(mut pod: Value) -> Value {
    pod["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z".into();
    pod["metadata"]["finalizers"] = json!(["example.org/hold"]);
    pod
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.objects(Kind::POD, "shop").iter().map(|pod| pod.name().into()).collect()
}

fn failed(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.objects(Kind::POD, "shop");
    pods.iter().filter(|pod| pod["status"]["phase"] == "Failed").map(|pod| pod.name().into()).collect()
}

fn added(controller: &mut PodGc, watch: usize, object: &Value) -> Vec<String> {
    controller.keys(watch, Change::Added, object, None)
}

#[test]
fn pods_of_a_node_that_is_gone_go_too() {
    let mut held = pod("held", "gone", "Running");
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    let cluster = Cluster::with([node("n", "True", ""), pod("stays", "n", "Running"), held.clone()]);
    cluster.put(pod("ended", "gone", "Succeeded"));
    let mut controller = PodGc::default();
    assert!(added(&mut controller, 0, &node("n", "True", "")).is_empty());
    assert!(added(&mut controller, 1, &pod("stays", "n", "Running")).is_empty());
    assert_eq!(added(&mut controller, 1, &held), ["gone"]);
    let outcome = controller.reconcile(&cluster, "gone").unwrap();
    assert_eq!(outcome, Outcome::requeue_after_ms(40_000), "it may only be late");
    cluster.advance_ms(40_000);
    assert_eq!(controller.reconcile(&cluster, "gone").unwrap(), Outcome::done());
    assert_eq!(names(&cluster), ["held", "stays"]);
    let held = cluster.object(Kind::POD, "shop", "held");
    assert!(held.is_being_deleted());
    assert_eq!(held["status"]["phase"], "Failed");
    let condition = &held["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("DisruptionTarget"), &json!("DeletionByPodGC"))
    );
}

#[test]
fn a_node_that_comes_late_keeps_its_pods() {
    let cluster = Cluster::with([pod("p", "late", "Running")]);
    let mut controller = PodGc::default();
    controller.reconcile(&cluster, "late").unwrap();
    cluster.advance_ms(39_000);
    cluster.put(node("late", "True", ""));
    assert_eq!(controller.reconcile(&cluster, "late").unwrap(), Outcome::done());
    // And when it goes later, its time begins then.
    cluster.advance_ms(3_600_000);
    let last = cluster.object(Kind::NODE, "", "late");
    assert_eq!(controller.keys(0, Change::Deleted, &last, None), ["late"]);
    cluster.delete(Kind::NODE.object("", "late"), &Default::default()).unwrap();
    assert_eq!(controller.reconcile(&cluster, "late").unwrap(), Outcome::requeue_after_ms(40_000));
    assert_eq!(names(&cluster), ["p"]);
}

#[test]
fn who_never_had_a_node_is_not_waited_for() {
    let waits = going(pod("p", "", "Pending"));
    let cluster = Cluster::with([waits.clone(), pod("q", "", "Pending")]);
    let mut controller = PodGc::default();
    assert!(added(&mut controller, 1, &pod("q", "", "Pending")).is_empty());
    assert_eq!(added(&mut controller, 1, &waits), ["shop/p"]);
    controller.reconcile(&cluster, "shop/p").unwrap();
    assert_eq!(failed(&cluster), ["p"]);
    assert_eq!(cluster.metrics()[r#"pods_deleted_total{namespace="shop",reason="unscheduled"}"#], 1.0);
    controller.reconcile(&cluster, "shop/p").unwrap();
}

#[test]
fn nobody_waits_for_a_node_that_is_out_of_service() {
    let pods = [going(pod("going", "n", "Running")), pod("stays", "n", "Running")];
    for (ready, taint, ended) in
        [("True", OUT_OF_SERVICE, 0), ("Unknown", "other", 0), ("Unknown", OUT_OF_SERVICE, 1)]
    {
        let node = node("n", ready, taint);
        let cluster = Cluster::with(pods.clone().into_iter().chain([node.clone()]));
        let mut controller = PodGc::default();
        let keys = added(&mut controller, 0, &node);
        assert_eq!(keys.is_empty(), ended == 0);
        assert_eq!(added(&mut controller, 1, &pods[0]), keys);
        controller.reconcile(&cluster, "n").unwrap();
        assert_eq!(failed(&cluster).len(), ended, "{ready} {taint}");
    }
}

#[test]
fn of_too_many_that_have_ended_the_oldest_go() {
    let cluster = Cluster::new();
    let mut controller = PodGc::default();
    controller.configure(&json!({ "terminatedPodGCThreshold": 2 })).unwrap();
    let mut keys = Vec::new();
    for (age, name, phase) in [
        (50, "b", "Failed"),
        (60, "a", "Succeeded"),
        (10, "c", "Succeeded"),
        (5, "evicted", "Failed"),
        (99, "runs", "Running"),
    ] {
        let mut pod = pod(name, "n", phase);
        pod["metadata"]["creationTimestamp"] = rfc3339(cluster.now_ms() - age * 1000).into();
        if name == "evicted" {
            pod["status"]["reason"] = "Evicted".into();
        }
        keys.extend(added(&mut controller, 1, &cluster.put(pod)));
    }
    keys.retain(|key| key == ENDED);
    assert_eq!(keys, [ENDED, ENDED]);
    controller.reconcile(&cluster, ENDED).unwrap();
    assert_eq!(names(&cluster), ["b", "c", "runs"]);
    cluster.take_writes();
    controller.reconcile(&cluster, ENDED).unwrap();
    assert!(cluster.take_writes().is_empty());
    assert!(PodGc::default().configure(&json!({ "terminatedPodGCThreshold": -1 })).is_err());
}
