use crate::controller::ApiError;
use crate::fake::Cluster;
use crate::time::rfc3339;

use serde_json::json;

use super::*;

fn set(replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "shop", "uid": "set"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"note": "x"}},
                "spec": {"containers": [{"name": "c", "image": "i", "unknownField": [1]}]}}}})
}

fn reconcile(cluster: &Cluster) -> Result<Outcome, Error> {
    Replicas::REPLICA_SETS.reconcile(cluster, "shop/web")
}

fn make_ready(cluster: &Cluster, pod: &Value) {
    let mut pod = pod.clone();
    pod.set(&["spec", "nodeName"], "n");
    pod.set(
        &["status"],
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(cluster.now_ms())}]}),
    );
    cluster.put(pod);
}

#[test]
fn makes_the_pods_it_lacks_and_says_so() {
    let cluster = Cluster::with([set(3)]);
    reconcile(&cluster).unwrap();
    let pods = cluster.objects(Kind::POD, "shop");
    assert_eq!(pods.len(), 3);
    assert_eq!(pods[0].controller().unwrap().uid, "set");
    assert!(pods[0].name().starts_with("web-"));
    assert_eq!(
        pods[0]["spec"]["containers"][0]["unknownField"],
        json!([1]),
        "what it does not know passes through"
    );
    assert_eq!(pods[0].annotation("note"), Some("x"));
    assert_eq!(cluster.events().iter().filter(|e| e.reason == "SuccessfulCreate").count(), 3);
    for pod in &pods {
        make_ready(&cluster, pod);
    }
    reconcile(&cluster).unwrap();
    assert_eq!(
        cluster.object(Kind::REPLICA_SET, "shop", "web")["status"],
        json!({"replicas": 3, "observedGeneration": 1, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3})
    );
    cluster.take_writes();
    reconcile(&cluster).unwrap();
    assert!(cluster.take_writes().is_empty(), "nothing to do, nothing written");
}

#[test]
fn a_forged_status_is_put_right() {
    let set_watch = &Replicas::REPLICA_SETS.describe().watches[0].interest;
    assert!(set_watch.fields.contains(&"status".to_string()), "{set_watch:?}");
    let cluster = Cluster::with([set(1)]);
    reconcile(&cluster).unwrap();
    let mut forged = cluster.object(Kind::REPLICA_SET, "shop", "web");
    forged["status"] = json!({"replicas": 7, "readyReplicas": 7, "observedGeneration": 1});
    cluster.put(forged);
    reconcile(&cluster).unwrap();
    let status = cluster.object(Kind::REPLICA_SET, "shop", "web")["status"].clone();
    assert_eq!((&status["replicas"], &status["readyReplicas"]), (&json!(1), &Value::Null), "{status}");
}

#[test]
fn ends_the_unready_ones_first() {
    let cluster = Cluster::with([set(3)]);
    reconcile(&cluster).unwrap();
    let pods = cluster.objects(Kind::POD, "shop");
    make_ready(&cluster, &pods[0]);
    cluster.put(set(1));
    reconcile(&cluster).unwrap();
    let left = cluster.objects(Kind::POD, "shop");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].name(), pods[0].name());
    assert_eq!(cluster.events().iter().filter(|e| e.reason == "SuccessfulDelete").count(), 2);
}

#[test]
fn finished_pods_are_replaced() {
    let cluster = Cluster::with([set(1)]);
    reconcile(&cluster).unwrap();
    let mut failed = cluster.objects(Kind::POD, "shop").remove(0);
    failed.set(&["status", "phase"], "Failed");
    cluster.put(failed);
    reconcile(&cluster).unwrap();
    assert_eq!(cluster.objects(Kind::POD, "shop").len(), 2);
}

#[test]
fn a_failure_is_told_and_tried_again_slowly() {
    let cluster = Cluster::with([set(10)]);
    cluster.fail_next("create", ApiError::new(403, "Forbidden", "exceeded quota"));
    assert!(reconcile(&cluster).is_err());
    assert!(cluster.objects(Kind::POD, "shop").is_empty(), "one failed, so no more were tried");
    let status = &cluster.object(Kind::REPLICA_SET, "shop", "web")["status"];
    assert_eq!(status["conditions"][0]["reason"], "FailedCreate");
    assert_eq!(status["conditions"][0]["message"], "exceeded quota");
    reconcile(&cluster).unwrap();
    assert_eq!(cluster.objects(Kind::POD, "shop").len(), 10);
}

#[test]
fn a_namespace_on_its_way_out_is_no_failure() {
    let cluster = Cluster::with([set(2)]);
    let message = "pods \"x\" is forbidden: unable to create new content in namespace shop because it is being terminated";
    cluster.fail_next("create", ApiError::new(403, "Forbidden", message));
    reconcile(&cluster).unwrap();
    assert!(cluster.events().is_empty());
}

#[test]
fn a_deleted_set_makes_nothing() {
    let mut going = set(3);
    going.set(&["metadata", "deletionTimestamp"], "2026-11-21T12:00:00Z");
    going.set(&["metadata", "finalizers"], json!(["foregroundDeletion"]));
    let cluster = Cluster::with([going]);
    reconcile(&cluster).unwrap();
    assert!(cluster.objects(Kind::POD, "shop").is_empty());
}

#[test]
fn an_orphan_finds_its_owner() {
    let orphan = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "stray", "namespace": "shop", "labels": {"app": "web"}}});
    let cluster = Cluster::with([set(1), orphan.clone()]);
    let keys = Replicas::REPLICA_SETS.keys(Change::Added, &orphan);
    assert_eq!(keys, ["?shop/stray"]);
    Replicas::REPLICA_SETS.reconcile(&cluster, &keys[0]).unwrap();
    assert_eq!(cluster.object(Kind::POD, "shop", "stray").controller().unwrap().uid, "set");
    reconcile(&cluster).unwrap();
    assert_eq!(cluster.objects(Kind::POD, "shop").len(), 1);
}

#[test]
fn a_pod_that_no_longer_matches_is_let_go_and_replaced() {
    let cluster = Cluster::with([set(1)]);
    reconcile(&cluster).unwrap();
    let mut pod = cluster.objects(Kind::POD, "shop").remove(0);
    pod.set(&["metadata", "labels"], json!({"app": "debug"}));
    cluster.put(pod.clone());
    reconcile(&cluster).unwrap();
    assert_eq!(cluster.objects(Kind::POD, "shop").len(), 2);
    assert!(cluster.object(Kind::POD, "shop", pod.name()).controller().is_none());
}

#[test]
fn a_replication_controller_selects_by_plain_labels() {
    let controller = json!({"apiVersion": "v1", "kind": "ReplicationController",
        "metadata": {"name": "web", "namespace": "shop", "uid": "rc"},
        "spec": {"replicas": 2, "selector": {"app": "web"},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}}});
    let going = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old", "namespace": "shop",
        "labels": {"app": "web"}, "deletionTimestamp": "2026-11-21T12:00:00Z", "finalizers": ["hold"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ReplicationController", "name": "web", "uid": "rc", "controller": true}]}});
    let cluster = Cluster::with([controller, going]);
    Replicas::REPLICATION_CONTROLLERS.reconcile(&cluster, "shop/web").unwrap();
    let pods = cluster.objects(Kind::POD, "shop");
    assert_eq!(pods.len(), 3);
    let made: Vec<_> = pods.iter().filter(|pod| pod.name() != "old").filter_map(Object::controller).collect();
    assert!(made.len() == 2 && made.iter().all(|owner| owner.kind == "ReplicationController"), "{made:?}");
    let status = &cluster.object(Kind::REPLICATION_CONTROLLER, "shop", "web")["status"];
    assert!(status["terminatingReplicas"].is_null(), "{status}");
}
