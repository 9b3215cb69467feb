use orch_sdk::{Value, json};

use super::*;

fn claim(name: &str, mode: &str) -> Value {
    let metadata = json!({"name": name, "namespace": "a"});
    json!({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {"accessModes": [mode]}})
}

fn policy(claims: &[Value]) -> VolumeRestrictions {
    let mut policy = VolumeRestrictions::default();
    for claim in claims {
        policy.sync(Delta::ObjectUpsert { object: claim.to_string() }).unwrap();
    }
    policy
}

fn pod(volumes: Value) -> String {
    json!({"metadata": {"namespace": "a"}, "spec": {"volumes": volumes}}).to_string()
}

fn uses(claim: &str) -> String {
    pod(json!([{"persistentVolumeClaim": {"claimName": claim}}]))
}

fn disk(name: &str) -> String {
    pod(json!([{"gcePersistentDisk": {"pdName": name}}]))
}

fn assign(policy: &mut VolumeRestrictions, key: &str, node: usize, pod: String) {
    policy.sync(Delta::PodUpsert { key: key.into(), node, pod }).unwrap();
}

fn rejected(policy: &mut VolumeRestrictions, pod: &str) -> Vec<(&'static str, Vec<usize>)> {
    let nodes = (0..3).collect();
    let Verdict::Nodes(rejections) = policy.filter(pod, &nodes).unwrap() else {
        panic!("the pod itself was rejected")
    };
    let reason = |text: &str| if text == DISK_CONFLICT { "disk" } else { "claim" };
    assert!(rejections.iter().all(|found| !found.unresolvable));
    rejections.iter().map(|found| (reason(&found.reason), found.nodes.iter().collect())).collect()
}

#[test]
fn a_pod_without_volumes_goes_anywhere() {
    let mut policy = policy(&[]);
    assert_eq!(policy.filter("{}", &(0..3).collect()).unwrap(), Verdict::default());
    assert!(rejected(&mut policy, &pod(json!([{"emptyDir": {}}, {}]))).is_empty());
}

#[test]
fn a_claim_for_one_pod_is_taken_everywhere_until_that_pod_is_gone() {
    let mut policy = policy(&[claim("one", "ReadWriteOncePod"), claim("many", "ReadWriteMany")]);
    assert!(rejected(&mut policy, &uses("one")).is_empty());
    assign(&mut policy, "p", 1, uses("one"));
    assign(&mut policy, "q", 1, uses("many"));
    assert_eq!(rejected(&mut policy, &uses("one")), [("claim", vec![0, 1, 2])]);
    assert!(rejected(&mut policy, &uses("many")).is_empty());
    // The same name elsewhere is another claim.
    let elsewhere = uses("one").replace("\"a\"", "\"b\"");
    assert!(matches!(policy.filter(&elsewhere, &NodeSet::new()).unwrap(), Verdict::Pod(_)));
    assign(&mut policy, "p", 1, uses("one"));
    policy.sync(Delta::PodRemove { key: "p".into() }).unwrap();
    policy.sync(Delta::PodRemove { key: "p".into() }).unwrap();
    assert!(rejected(&mut policy, &uses("one")).is_empty());
}

#[test]
fn a_claim_must_be_there() {
    let mut policy = policy(&[claim("c", "ReadWriteOnce")]);
    policy.sync(Delta::ObjectRemove { identity: claim("c", "").to_string() }).unwrap();
    let verdict = policy.filter(&uses("c"), &(0..3).collect()).unwrap();
    assert_eq!(verdict, Verdict::Pod("persistentvolumeclaim \"c\" not found".into()));
}

#[test]
fn claims_from_templates_are_nobody_elses() {
    let mut policy = policy(&[]);
    assert!(rejected(&mut policy, &pod(json!([{"name": "x", "ephemeral": {}}]))).is_empty());
}

#[test]
fn a_disk_is_taken_on_the_node_that_has_it() {
    let mut policy = policy(&[]);
    assign(&mut policy, "p", 1, disk("d"));
    assign(&mut policy, "q", 2, disk("e"));
    assert_eq!(rejected(&mut policy, &disk("d")), [("disk", vec![1])]);
    assert!(rejected(&mut policy, &disk("f")).is_empty());
    // The pod went to another node.
    assign(&mut policy, "p", 2, disk("d"));
    assert_eq!(rejected(&mut policy, &disk("d")), [("disk", vec![2])]);
    policy.sync(Delta::PodRemove { key: "p".into() }).unwrap();
    assert!(rejected(&mut policy, &disk("d")).is_empty());
    assert_eq!(rejected(&mut policy, &disk("e")), [("disk", vec![2])]);
}

#[test]
fn the_disk_is_the_reason_where_both_are() {
    let mut policy = policy(&[claim("one", "ReadWriteOncePod")]);
    let both = pod(json!([
        {"gcePersistentDisk": {"pdName": "d"}},
        {"persistentVolumeClaim": {"claimName": "one"}},
    ]));
    assign(&mut policy, "p", 0, both.clone());
    assert_eq!(rejected(&mut policy, &both), [("disk", vec![0]), ("claim", vec![1, 2])]);
}
