use orch_sdk::{Value, json};

use super::*;

const ZONE: &str = "topology.kubernetes.io/zone";
const OLD_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";

fn policy(nodes: &[Value], objects: &[Value]) -> VolumeZone {
    let mut policy = VolumeZone::default();
    for (index, labels) in nodes.iter().enumerate() {
        let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}}).to_string();
        policy.sync(Delta::NodeUpsert { index, node }).unwrap();
    }
    for object in objects {
        policy.sync(Delta::ObjectUpsert { object: object.to_string() }).unwrap();
    }
    policy
}

fn claim(name: &str, volume: &str, class: &str) -> Value {
    let spec = json!({"volumeName": volume, "storageClassName": class});
    json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "a"}, "spec": spec})
}

fn volume(name: &str, labels: Value) -> Value {
    json!({"kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}})
}

fn class(name: &str, mode: Value) -> Value {
    json!({"kind": "StorageClass", "metadata": {"name": name}, "volumeBindingMode": mode})
}

fn pod(claims: &[&str]) -> String {
    let volumes: Vec<Value> =
        claims.iter().map(|name| json!({"persistentVolumeClaim": {"claimName": name}})).collect();
    json!({"metadata": {"namespace": "a"}, "spec": {"volumes": volumes}}).to_string()
}

fn rejected(policy: &mut VolumeZone, pod: &str) -> Vec<usize> {
    let nodes = (0..16).collect();
    let Verdict::Nodes(rejections) = policy.filter(pod, &nodes).unwrap() else {
        panic!("the pod itself was rejected")
    };
    assert!(rejections.iter().all(|found| found.reason == CONFLICT && found.unresolvable));
    rejections.iter().flat_map(|found| found.nodes.iter().collect::<Vec<_>>()).collect()
}

fn reason(policy: &mut VolumeZone, pod: &str) -> String {
    match policy.filter(pod, &NodeSet::new()).unwrap() {
        Verdict::Pod(reason) => reason,
        Verdict::Nodes(_) => panic!("the pod was not rejected"),
    }
}

#[test]
fn volumes_keep_pods_in_their_zone() {
    let nodes = [json!({ZONE: "x"}), json!({ZONE: "y"}), json!({}), json!({REGION: "r"})];
    let mut policy = policy(&nodes, &[claim("c", "v", ""), volume("v", json!({ZONE: "x"}))]);
    assert_eq!(rejected(&mut policy, &pod(&["c"])), [1, 3]);
    assert!(rejected(&mut policy, &pod(&[])).is_empty());
}

#[test]
fn a_volume_may_be_in_several_zones() {
    let nodes = [json!({ZONE: "x"}), json!({ZONE: "y"}), json!({ZONE: "z"})];
    let several = volume("v", json!({ZONE: "x__y"}));
    assert_eq!(rejected(&mut policy(&nodes, &[claim("c", "v", ""), several]), &pod(&["c"])), [2]);
    let broken = volume("v", json!({ZONE: "x__"}));
    assert!(rejected(&mut policy(&nodes, &[claim("c", "v", ""), broken]), &pod(&["c"])).is_empty());
}

#[test]
fn old_labels_of_volumes_match_new_labels_of_nodes() {
    let nodes = [json!({ZONE: "x"}), json!({ZONE: "y"}), json!({OLD_ZONE: "x"}), json!({OLD_ZONE: "y"})];
    let mut old = policy(&nodes, &[claim("c", "v", ""), volume("v", json!({OLD_ZONE: "x"}))]);
    assert_eq!(rejected(&mut old, &pod(&["c"])), [1, 3]);
    // The other way round they do not.
    let mut new = policy(&nodes, &[claim("c", "v", ""), volume("v", json!({ZONE: "x"}))]);
    assert_eq!(rejected(&mut new, &pod(&["c"])), [1, 2, 3]);
}

#[test]
fn all_volumes_and_labels_must_agree() {
    let nodes =
        [json!({ZONE: "x", REGION: "r"}), json!({ZONE: "x", REGION: "s"}), json!({ZONE: "y", REGION: "r"})];
    let objects = [
        claim("c", "v", ""),
        volume("v", json!({ZONE: "x"})),
        claim("d", "w", ""),
        volume("w", json!({REGION: "r"})),
    ];
    assert_eq!(rejected(&mut policy(&nodes, &objects), &pod(&["c", "d"])), [1, 2]);
}

#[test]
fn unbound_claims_are_skipped_only_when_they_wait() {
    let objects = [
        claim("late", "", "late"),
        claim("now", "", "now"),
        claim("unsaid", "", "unsaid"),
        claim("lost", "", "lost"),
        claim("classless", "", ""),
        claim("dangling", "gone", ""),
        class("late", json!("WaitForFirstConsumer")),
        class("now", json!("Immediate")),
        class("unsaid", json!(null)),
    ];
    let mut policy = policy(&[json!({ZONE: "x"})], &objects);
    assert!(rejected(&mut policy, &pod(&["late"])).is_empty());
    let mut why = |name| reason(&mut policy, &pod(&[name]));
    assert_eq!(why("now"), "PersistentVolume had no name");
    assert_eq!(why("unsaid"), "VolumeBindingMode not set for StorageClass \"unsaid\"");
    assert_eq!(why("lost"), "storageclass.storage.k8s.io \"lost\" not found");
    assert_eq!(why("classless"), "PersistentVolumeClaim had no pv name and storageClass name");
    assert_eq!(why("dangling"), "persistentvolume \"gone\" not found");
    assert_eq!(why("nowhere"), "persistentvolumeclaim \"nowhere\" not found");
    assert_eq!(why(""), "PersistentVolumeClaim had no name");
}

#[test]
fn what_is_gone_no_longer_counts() {
    let mut policy = policy(&[json!({ZONE: "y"})], &[claim("c", "v", ""), volume("v", json!({ZONE: "x"}))]);
    assert_eq!(rejected(&mut policy, &pod(&["c"])), [0]);
    policy.sync(Delta::NodeRemove { index: 0 }).unwrap();
    assert!(rejected(&mut policy, &pod(&["c"])).is_empty());
    policy.sync(Delta::ObjectRemove { identity: volume("v", json!(null)).to_string() }).unwrap();
    assert_eq!(reason(&mut policy, &pod(&["c"])), "persistentvolume \"v\" not found");
}
