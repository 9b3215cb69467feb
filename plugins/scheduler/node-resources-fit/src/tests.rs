use orch_sdk::json;
use orch_sdk::scheduler::{Delta, NodeSet, Policy};

use super::*;

fn node(cpu: &str, memory: &str, pods: &str) -> String {
    json!({"status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods, "example.com/gpu": "2"}}})
        .to_string()
}

fn pod(requests: Value) -> String {
    json!({"spec": {"containers": [{"resources": {"requests": requests}}]}}).to_string()
}

fn policy(nodes: &[String]) -> NodeResourcesFit {
    let mut policy = NodeResourcesFit::default();
    for (index, node) in nodes.iter().enumerate() {
        policy.sync(Delta::NodeUpsert { index, node: node.clone() }).unwrap();
    }
    policy
}

fn assign(policy: &mut NodeResourcesFit, key: &str, node: usize, pod: String) {
    policy.sync(Delta::PodUpsert { key: key.into(), node, pod }).unwrap();
}

fn reasons(policy: &mut NodeResourcesFit, pod: &str) -> Vec<(String, Vec<usize>, bool)> {
    let Verdict::Nodes(rejections) = policy.filter(pod, &(0..10).collect()).unwrap() else {
        panic!("the whole pod")
    };
    rejections
        .into_iter()
        .map(|found| (found.reason, found.nodes.iter().collect(), found.unresolvable))
        .collect()
}

#[test]
fn nodes_without_room_are_named_by_what_they_lack() {
    let mut policy = policy(&[node("1", "1Gi", "110"), node("4", "8Gi", "110"), node("4", "8Gi", "1")]);
    assign(&mut policy, "a", 1, pod(json!({"cpu": "3"})));
    assign(&mut policy, "b", 2, pod(json!({})));
    let found = reasons(&mut policy, &pod(json!({"cpu": "1500m", "memory": "2Gi", "example.com/gpu": 1})));
    assert_eq!(
        found,
        [
            ("Too many pods".into(), vec![2], false),
            ("Insufficient cpu".into(), vec![1], false),
            ("Insufficient cpu".into(), vec![0], true),
            ("Insufficient memory".into(), vec![0], true),
        ]
    );
    assert_eq!(
        reasons(&mut policy, &pod(json!({"example.com/gpu": "3"})))[1].0,
        "Insufficient example.com/gpu"
    );
    assert_eq!(reasons(&mut policy, &pod(json!({"example.com/other": "1"}))).last().unwrap().1, [0, 1, 2]);
}

#[test]
fn a_pod_without_requests_needs_only_a_place() {
    let mut policy = policy(&[node("0", "0", "1")]);
    assert!(reasons(&mut policy, &pod(json!({}))).is_empty());
}

#[test]
fn pods_give_back_what_they_took() {
    let mut policy = policy(&[node("1", "1Gi", "110")]);
    assign(&mut policy, "a", 0, pod(json!({"cpu": "1"})));
    assert_eq!(reasons(&mut policy, &pod(json!({"cpu": "100m"}))).len(), 1);
    // The same pod told again counts once; smaller, it frees the rest.
    assign(&mut policy, "a", 0, pod(json!({"cpu": "500m"})));
    assert!(reasons(&mut policy, &pod(json!({"cpu": "500m"}))).is_empty());
    policy.sync(Delta::PodRemove { key: "a".into() }).unwrap();
    policy.sync(Delta::PodRemove { key: "a".into() }).unwrap();
    assert!(reasons(&mut policy, &pod(json!({"cpu": "1"}))).is_empty());
}

#[test]
fn indexes_of_removed_nodes_are_used_again() {
    let mut policy = policy(&[node("1", "1Gi", "110")]);
    policy.sync(Delta::NodeRemove { index: 0 }).unwrap();
    assert!(reasons(&mut policy, &pod(json!({"cpu": "8"}))).is_empty());
    policy.sync(Delta::NodeUpsert { index: 0, node: node("2", "1Gi", "110") }).unwrap();
    assert_eq!(reasons(&mut policy, &pod(json!({"cpu": "8"})))[0].1, [0]);
}

#[test]
fn spread_prefers_empty_nodes_and_pack_full_ones() {
    let mut policy = policy(&[node("4", "8Gi", "110"), node("4", "8Gi", "110")]);
    assign(&mut policy, "a", 0, pod(json!({"cpu": "2", "memory": "4Gi"})));
    let both: NodeSet = (0..2).collect();
    let ask = pod(json!({"cpu": "1", "memory": "2Gi"}));
    assert_eq!(policy.score(&ask, &both).unwrap(), [25, 75]);
    policy.configure(&json!({"scoringStrategy": {"type": "MostAllocated"}})).unwrap();
    assert_eq!(policy.score(&ask, &both).unwrap(), [75, 25]);
}

#[test]
fn weights_and_assumed_requests_count_in_scores() {
    let mut policy = policy(&[node("1", "1000Mi", "110")]);
    let one: NodeSet = [0].into_iter().collect();
    // 100m of 1000m and 200Mi of 1000Mi are assumed.
    assert_eq!(policy.score(&pod(json!({})), &one).unwrap(), [85]);
    let cpu_only =
        json!({"scoringStrategy": {"type": "LeastAllocated", "resources": [{"name": "cpu", "weight": 5}]}});
    policy.configure(&cpu_only).unwrap();
    assert_eq!(policy.score(&pod(json!({})), &one).unwrap(), [90]);
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |config| NodeResourcesFit::default().configure(&config).unwrap_err();
    assert!(
        refused(json!({"scoringStrategy": {"type": "Best"}})).starts_with("scoringStrategy.type: \"Best\"")
    );
    assert!(refused(json!({"scoringStrategy": {"resources": [{"weight": 1}]}})).contains("without a name"));
    assert!(
        refused(json!({"scoringStrategy": {"resources": [{"name": "cpu", "weight": 0}]}}))
            .contains("weight of cpu")
    );
    assert_eq!(NodeResourcesFit::default().configure(&json!({})), Ok(()));
}
