use orch_sdk::{Value, json};

use super::*;

const DRIVER: &str = "disk.example.com";

fn object(policy: &mut NodeVolumeLimits, object: Value) {
    policy.sync(Delta::ObjectUpsert { object: object.to_string() }).unwrap();
}

fn gone(policy: &mut NodeVolumeLimits, object: Value) {
    policy.sync(Delta::ObjectRemove { identity: object.to_string() }).unwrap();
}

fn node(policy: &mut NodeVolumeLimits, index: usize, name: &str) {
    let node = json!({"metadata": {"name": name}}).to_string();
    policy.sync(Delta::NodeUpsert { index, node }).unwrap();
}

fn csi_node(name: &str, driver: &str, limit: Value) -> Value {
    let drivers = json!([{"name": driver, "allocatable": {"count": limit}}]);
    json!({"kind": "CSINode", "metadata": {"name": name}, "spec": {"drivers": drivers}})
}

fn claim(name: &str, volume: &str, class: &str) -> Value {
    let spec = json!({"volumeName": volume, "storageClassName": class});
    json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "a"}, "spec": spec})
}

fn volume(name: &str, handle: &str) -> Value {
    let spec = json!({"csi": {"driver": DRIVER, "volumeHandle": handle}});
    json!({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
}

fn class(name: &str, provisioner: &str) -> Value {
    json!({"kind": "StorageClass", "metadata": {"name": name}, "provisioner": provisioner})
}

fn attachment(name: &str, node: &str, volume: &str) -> Value {
    let spec = json!({"attacher": DRIVER, "nodeName": node, "source": {"persistentVolumeName": volume}});
    json!({"kind": "VolumeAttachment", "metadata": {"name": name}, "spec": spec})
}

fn pod(volumes: Value) -> String {
    json!({"metadata": {"namespace": "a", "name": "p", "uid": "u"}, "spec": {"volumes": volumes}}).to_string()
}

fn uses(claims: &[&str]) -> String {
    pod(claims
        .iter()
        .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}))
        .collect())
}

fn assign(policy: &mut NodeVolumeLimits, key: &str, node: usize, pod: String) {
    policy.sync(Delta::PodUpsert { key: key.into(), node, pod }).unwrap();
}

fn rejected(policy: &mut NodeVolumeLimits, pod: &str) -> Vec<(String, Vec<usize>)> {
    let nodes = (0..4).collect();
    let Verdict::Nodes(rejections) = policy.filter(pod, &nodes).unwrap() else {
        panic!("the pod itself was rejected")
    };
    rejections.into_iter().map(|found| (found.reason, found.nodes.iter().collect())).collect()
}

fn full(policy: &mut NodeVolumeLimits, pod: &str) -> Vec<usize> {
    let found = rejected(policy, pod);
    assert!(found.iter().all(|(reason, _)| reason == TOO_MANY), "{found:?}");
    found.into_iter().flat_map(|(_, nodes)| nodes).collect()
}

/// Two nodes that take two volumes each, three bound claims and a fourth whose volume is to be made.
fn policy() -> NodeVolumeLimits {
    let mut policy = NodeVolumeLimits::default();
    for index in 0..2 {
        node(&mut policy, index, &format!("n{index}"));
        object(&mut policy, csi_node(&format!("n{index}"), DRIVER, json!(2)));
    }
    object(&mut policy, class("fast", DRIVER));
    for number in 1..=3 {
        object(&mut policy, claim(&format!("c{number}"), &format!("v{number}"), "fast"));
        object(&mut policy, volume(&format!("v{number}"), &format!("h{number}")));
    }
    object(&mut policy, claim("new", "", "fast"));
    policy
}

#[test]
fn a_pod_without_volumes_goes_anywhere() {
    assert_eq!(policy().filter("{}", &(0..2).collect()).unwrap(), Verdict::default());
    assert!(full(&mut policy(), &pod(json!([{"emptyDir": {}}]))).is_empty());
}

#[test]
fn a_node_takes_as_many_as_its_driver_says() {
    let mut policy = policy();
    assert_eq!(full(&mut policy, &uses(&["c1", "c2", "c3"])), [0, 1]);
    assert!(full(&mut policy, &uses(&["c1", "c2"])).is_empty());
    assign(&mut policy, "p", 0, uses(&["c1", "c2"]));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [0]);
    assert_eq!(full(&mut policy, &uses(&["new"])), [0]);
    // A volume that is there already is not attached again.
    assert!(full(&mut policy, &uses(&["c1"])).is_empty());
    policy.sync(Delta::PodRemove { key: "p".into() }).unwrap();
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
}

#[test]
fn a_limit_of_zero_takes_none_and_no_limit_takes_all() {
    let mut policy = policy();
    object(&mut policy, csi_node("n0", DRIVER, json!(0)));
    object(&mut policy, csi_node("n1", DRIVER, json!(null)));
    assert_eq!(full(&mut policy, &uses(&["c1", "c2", "c3"])), [0]);
    gone(&mut policy, csi_node("n0", DRIVER, json!(0)));
    assert!(full(&mut policy, &uses(&["c1", "c2", "c3"])).is_empty());
}

#[test]
fn what_changes_is_counted_anew() {
    let mut policy = policy();
    object(&mut policy, claim("loose", "v9", ""));
    assign(&mut policy, "p", 0, uses(&["c1", "loose"]));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty(), "a volume nobody knows counts nothing");
    object(&mut policy, volume("v9", "h9"));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [0]);
    gone(&mut policy, volume("v9", "h9"));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
    // Without volume, the claim counts for its class as soon as that is known.
    object(&mut policy, claim("loose", "", "slow"));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
    object(&mut policy, class("slow", DRIVER));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [0]);
    gone(&mut policy, claim("loose", "", "slow"));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
}

#[test]
fn the_index_of_a_removed_node_may_be_another_nodes() {
    let mut policy = policy();
    object(&mut policy, attachment("x", "n0", "v1"));
    object(&mut policy, attachment("y", "n0", "v2"));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [0]);
    policy.sync(Delta::NodeRemove { index: 0 }).unwrap();
    assert!(full(&mut policy, &uses(&["c1", "c2", "c3"])) == [1]);
    object(&mut policy, csi_node("n2", DRIVER, json!(2)));
    node(&mut policy, 0, "n2");
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
}

#[test]
fn attachments_without_pods_count_too() {
    let mut policy = policy();
    object(&mut policy, attachment("x", "n0", "v1"));
    assert!(full(&mut policy, &uses(&["c2"])).is_empty());
    // The pod's own volume is attached already, but nobody on the node uses it: upstream counts it twice.
    assert_eq!(full(&mut policy, &uses(&["c1", "c2"])), [0]);
    assign(&mut policy, "p", 0, uses(&["c1"]));
    assert!(full(&mut policy, &uses(&["c1", "c2"])).is_empty(), "pod and attachment are one volume");
    object(&mut policy, attachment("y", "n0", "v2"));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [0]);
    // It moved, and the volume is told late.
    object(&mut policy, attachment("y", "n1", "v7"));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
    assign(&mut policy, "q", 1, uses(&["c1"]));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
    object(&mut policy, volume("v7", "h7"));
    assert_eq!(full(&mut policy, &uses(&["c3"])), [1]);
    gone(&mut policy, attachment("y", "n1", "v7"));
    assert!(full(&mut policy, &uses(&["c3"])).is_empty());
}

#[test]
fn a_driver_that_must_be_there_is_missed() {
    let mut policy = policy();
    node(&mut policy, 2, "bare");
    assert!(full(&mut policy, &uses(&["c1"])).is_empty());
    let driver = json!({"kind": "CSIDriver", "metadata": {"name": DRIVER}, "spec": {"preventPodSchedulingIfMissing": true}});
    object(&mut policy, driver.clone());
    let reason = "disk.example.com CSI driver is not installed on the node".to_string();
    assert_eq!(rejected(&mut policy, &uses(&["c1"])), [(reason, vec![2])]);
    gone(&mut policy, driver);
    assert!(full(&mut policy, &uses(&["c1"])).is_empty());
}

#[test]
fn disks_that_moved_to_csi_count_as_the_drivers() {
    let mut policy = NodeVolumeLimits::default();
    node(&mut policy, 0, "n0");
    node(&mut policy, 1, "bare");
    object(&mut policy, csi_node("n0", "ebs.csi.aws.com", json!(1)));
    let disk = |id: &str| pod(json!([{"name": "d", "awsElasticBlockStore": {"volumeID": id}}]));
    assert!(full(&mut policy, &disk("vol-1")).is_empty());
    assign(&mut policy, "p", 0, disk("aws://zone/vol-1"));
    assert!(full(&mut policy, &disk("vol-1")).is_empty(), "the same disk");
    assert_eq!(full(&mut policy, &disk("vol-2")), [0]);
    object(&mut policy, class("gp", "kubernetes.io/aws-ebs"));
    object(&mut policy, claim("new", "", "gp"));
    assert_eq!(full(&mut policy, &uses(&["new"])), [0]);
}

#[test]
fn claims_must_be_there_and_the_pods_own() {
    let mut policy = policy();
    let reason = |policy: &mut NodeVolumeLimits, pod: &str| match policy.filter(pod, &NodeSet::new()).unwrap()
    {
        Verdict::Pod(reason) => reason,
        Verdict::Nodes(_) => panic!("the pod was not rejected"),
    };
    assert_eq!(
        reason(&mut policy, &uses(&["gone"])),
        "looking up PVC a/gone: persistentvolumeclaim \"gone\" not found"
    );
    assert_eq!(reason(&mut policy, &uses(&[""])), "PersistentVolumeClaim had no name");
    let scratch = pod(json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}}]));
    assert_eq!(
        reason(&mut policy, &scratch),
        "waiting for ephemeral volume controller to create the persistentvolumeclaim \"p-scratch\""
    );
    let mut made = claim("p-scratch", "", "fast");
    object(&mut policy, made.clone());
    assert_eq!(
        reason(&mut policy, &scratch),
        "PVC a/p-scratch was not created for pod a/p (pod is not owner)"
    );
    made["metadata"]["ownerReferences"] = json!([{"uid": "u", "controller": true}]);
    object(&mut policy, made);
    assert!(full(&mut policy, &scratch).is_empty());
    assign(&mut policy, "u", 0, scratch);
    assign(&mut policy, "q", 0, uses(&["c1"]));
    assert_eq!(full(&mut policy, &uses(&["c2"])), [0]);
}
