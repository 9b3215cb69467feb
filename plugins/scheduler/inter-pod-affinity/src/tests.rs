mod cases;
mod naive;
mod random;
mod timing;

use orch_sdk::scheduler::{Delta, NodeSet, Policy, Rejection, Verdict};
use orch_sdk::{Value, json};

use crate::InterPodAffinity;

fn configured(config: Value) -> InterPodAffinity {
    let mut policy = InterPodAffinity::default();
    policy.configure(&config).unwrap();
    policy
}

/// A policy that was told of these nodes, by their labels.
fn told(nodes: &[Value]) -> InterPodAffinity {
    let mut policy = configured(json!({}));
    for (index, labels) in nodes.iter().enumerate() {
        node(&mut policy, index, labels.clone());
    }
    policy
}

fn node(policy: &mut InterPodAffinity, index: usize, labels: Value) {
    let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}});
    policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
}

fn upsert(policy: &mut InterPodAffinity, uid: &str, node: usize, pod: &Value) {
    let mut pod = pod.clone();
    pod["metadata"]["uid"] = uid.into();
    policy.sync(Delta::PodUpsert { key: uid.into(), node, pod: pod.to_string() }).unwrap();
}

/// A pod in `default` that is labelled `app`, with this affinity.
fn pod(app: &str, affinity: Value) -> Value {
    json!({"metadata": {"name": "p", "namespace": "default", "labels": {"app": app}}, "spec": {"affinity": affinity}})
}

/// Pods labelled so, in the same domain of the key.
fn term(app: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key})
}

fn near(terms: &[Value]) -> Value {
    json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
}

fn apart(terms: &[Value]) -> Value {
    json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
}

fn preferring(kind: &str, weight: i32, term: Value) -> Value {
    json!({kind: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": weight, "podAffinityTerm": term}]}})
}

fn rejections(policy: &mut InterPodAffinity, pod: &Value, nodes: &NodeSet) -> Vec<Rejection> {
    match policy.filter(&pod.to_string(), nodes).unwrap() {
        Verdict::Nodes(rejections) => rejections,
        Verdict::Pod(reason) => panic!("{reason}"),
    }
}

fn scores(policy: &mut InterPodAffinity, pod: &Value, nodes: &NodeSet) -> Vec<u32> {
    let scores = policy.score(&pod.to_string(), nodes).unwrap();
    if scores.is_empty() { vec![0; nodes.count()] } else { scores }
}

const NOT_NEAR: &str = "node(s) didn't match pod affinity rules";
const NOT_APART: &str = "node(s) didn't match pod anti-affinity rules";
const NOT_KEPT_APART: &str = "node(s) didn't satisfy existing pods anti-affinity rules";
