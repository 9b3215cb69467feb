mod cases;
mod naive;
mod random;
mod timing;

use orch_sdk::scheduler::{Delta, NodeSet, Policy, Rejection, Verdict};
use orch_sdk::{Value, json};

use crate::PodTopologySpread;

/// A policy that was told of these nodes (name and labels) and of pods (node, labels) in `default`.
fn told(nodes: &[(&str, Value)], pods: &[(usize, Value)]) -> PodTopologySpread {
    let mut policy = PodTopologySpread::default();
    policy.configure(&json!({})).unwrap();
    for (index, (name, labels)) in nodes.iter().enumerate() {
        let node = json!({"metadata": {"name": name, "labels": labels}});
        policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
    }
    for (number, (node, labels)) in pods.iter().enumerate() {
        upsert(&mut policy, &format!("u{number}"), *node, labels.clone());
    }
    policy
}

fn upsert(policy: &mut PodTopologySpread, uid: &str, node: usize, labels: Value) {
    let pod = json!({"metadata": {"name": uid, "namespace": "default", "uid": uid, "labels": labels}});
    policy.sync(Delta::PodUpsert { key: uid.into(), node, pod: pod.to_string() }).unwrap();
}

fn put(policy: &mut PodTopologySpread, object: Value) {
    policy.sync(Delta::ObjectUpsert { object: object.to_string() }).unwrap();
}

/// A pod labelled `app: web` with this spec.
fn pod(spec: Value) -> String {
    json!({"metadata": {"name": "p", "namespace": "default", "uid": "p", "labels": {"app": "web"}}, "spec": spec})
        .to_string()
}

fn rejections(policy: &mut PodTopologySpread, pod: &str, nodes: &NodeSet) -> Vec<Rejection> {
    match policy.filter(pod, nodes).unwrap() {
        Verdict::Nodes(rejections) => rejections,
        Verdict::Pod(reason) => panic!("{reason}"),
    }
}

fn scores(policy: &mut PodTopologySpread, pod: &str, nodes: &NodeSet) -> Vec<u32> {
    let scores = policy.score(pod, nodes).unwrap();
    if scores.is_empty() { vec![0; nodes.count()] } else { scores }
}

/// The nodes ruled out, with `!` where eviction would not help.
fn rejected(policy: &mut PodTopologySpread, spec: Value, nodes: usize) -> Vec<String> {
    let rejections = rejections(policy, &pod(spec), &(0..nodes).collect());
    let mark = |unresolvable| if unresolvable { "!" } else { "" };
    let each = rejections.iter().flat_map(|rejection| {
        rejection.nodes.iter().map(move |node| format!("{node}{}", mark(rejection.unresolvable)))
    });
    each.collect()
}
