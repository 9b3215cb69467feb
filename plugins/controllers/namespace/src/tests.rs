use orch_sdk::controller::ApiError;
use orch_sdk::fake::Cluster;

use super::*;

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "uid": "ns", "deletionTimestamp": "2026-11-21T12:00:00Z", "finalizers": ["hold-the-fake"]},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}
fn object(kind: &str, name: &str, finalizers: Value) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop", "finalizers": finalizers}})
}
fn now(cluster: &Cluster) -> Value {
    cluster.object(Kind::NAMESPACE, "", "shop")
}
fn reconcile(cluster: &Cluster) -> Result<Outcome, Error> {
    Namespaces.reconcile(cluster, "shop")
}

#[test]
fn all_content_goes_then_the_hold() {
    let config_map = Kind::new("v1", "ConfigMap");
    let cluster = Cluster::with([
        namespace(),
        object("Pod", "a", json!([])),
        object("ConfigMap", "b", json!([])),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "other"}}),
    ]);
    assert_eq!(reconcile(&cluster).unwrap(), Outcome::done());
    assert!(cluster.objects(Kind::POD, "shop").is_empty() && cluster.objects(config_map, "shop").is_empty());
    assert_eq!(cluster.objects(config_map, "other").len(), 1);
    assert_eq!(now(&cluster)["spec"]["finalizers"], json!([]));
    assert_eq!(now(&cluster)["status"]["phase"], "Terminating");
}

#[test]
fn pods_go_before_what_they_use() {
    let cluster = Cluster::with([
        namespace(),
        object("Pod", "a", json!(["example.org/hold"])),
        object("ConfigMap", "b", json!([])),
    ]);
    assert_eq!(reconcile(&cluster).unwrap(), Outcome::requeue_after_ms(LOOK_AGAIN_MS));
    assert_eq!(cluster.objects(Kind::new("v1", "ConfigMap"), "shop").len(), 1);
    let conditions = now(&cluster)["status"]["conditions"].clone();
    let remaining =
        conditions.as_array().unwrap().iter().find(|c| c["type"] == "NamespaceContentRemaining").unwrap();
    assert_eq!(remaining["message"], "Some resources are remaining: pods. has 1 resource instances");
    assert_eq!(now(&cluster)["spec"]["finalizers"], json!(["kubernetes"]));
    cluster
        .patch(Kind::POD.object("shop", "a"), PatchType::Merge, &json!({"metadata": {"finalizers": null}}))
        .unwrap();
    reconcile(&cluster).unwrap();
    assert_eq!(now(&cluster)["spec"]["finalizers"], json!([]));
}

#[test]
fn what_cannot_be_deleted_is_told() {
    let cluster = Cluster::with([namespace(), object("ConfigMap", "b", json!([]))]);
    cluster.fail_next("delete", ApiError::new(500, "InternalError", "the disk is full"));
    assert!(reconcile(&cluster).is_err());
    let conditions = now(&cluster)["status"]["conditions"].clone();
    let failure = conditions
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "NamespaceDeletionContentFailure")
        .unwrap();
    assert_eq!(failure["reason"], "ContentDeletionFailed");
}

#[test]
fn a_namespace_waits_for_servers_that_do_not_answer() {
    let cluster = Cluster::with([namespace(), object("ConfigMap", "b", json!([]))]);
    cluster.set_unknown(&["a.example/v1"]);
    assert_eq!(reconcile(&cluster).unwrap(), Outcome::requeue_after_ms(LOOK_AGAIN_MS));
    assert!(cluster.objects(Kind::new("v1", "ConfigMap"), "shop").is_empty(), "what is known goes at once");
    assert_eq!(now(&cluster)["spec"]["finalizers"], json!(["kubernetes"]));
    let failure = now(&cluster)["status"]["conditions"][0].clone();
    assert_eq!(
        (&failure["type"], &failure["status"], &failure["reason"]),
        (&json!("NamespaceDeletionDiscoveryFailure"), &json!("True"), &json!("DiscoveryFailed"))
    );
    cluster.set_unknown(&[]);
    assert_eq!(reconcile(&cluster).unwrap(), Outcome::done());
    assert_eq!(now(&cluster)["spec"]["finalizers"], json!([]));
}

#[test]
fn a_living_namespace_is_left_alone() {
    let mut living = namespace();
    living["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
    let cluster = Cluster::with([living, object("Pod", "a", json!([]))]);
    reconcile(&cluster).unwrap();
    assert!(cluster.take_writes().is_empty());
}

#[test]
fn what_goes_wakes_its_namespace() {
    let pod = object("Pod", "a", json!([]));
    assert_eq!(Namespaces.keys(1, Change::Deleted, &pod, None), ["shop"]);
    assert!(Namespaces.keys(1, Change::Added, &pod, None).is_empty());
    assert!(Namespaces.keys(1, Change::Deleted, &namespace(), None).is_empty());
}
