use super::*;
use orch_sdk::{Value, json};

fn policy() -> NodeAffinityPolicy {
    let mut policy = NodeAffinityPolicy::default();
    for (index, disk) in ["ssd", "hdd", "ssd"].iter().enumerate() {
        let labels = json!({"disk": disk, "cores": index.to_string()});
        let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}});
        policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
    }
    policy
}

fn verdict(spec: Value, nodes: impl IntoIterator<Item = usize>) -> Verdict {
    policy().filter(&json!({"spec": spec}).to_string(), &nodes.into_iter().collect()).unwrap()
}

fn rejected(spec: Value) -> Vec<(String, Vec<usize>)> {
    match verdict(spec, 0..5) {
        Verdict::Nodes(rejections) => {
            assert!(rejections.iter().all(|found| found.unresolvable));
            rejections.into_iter().map(|found| (found.reason, found.nodes.iter().collect())).collect()
        }
        Verdict::Pod(reason) => vec![(reason, Vec::new())],
    }
}

fn unmatched(nodes: &[usize]) -> Vec<(String, Vec<usize>)> {
    vec![(NOT_MATCHED.into(), nodes.to_vec())]
}

fn required(terms: Value) -> Value {
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
    json!({"affinity": {"nodeAffinity": required}})
}

fn preferring(terms: Value) -> String {
    let preferred = json!({"preferredDuringSchedulingIgnoredDuringExecution": terms});
    json!({"spec": {"affinity": {"nodeAffinity": preferred}}}).to_string()
}

fn name(name: &str) -> Value {
    json!({"key": "metadata.name", "operator": "In", "values": [name]})
}

#[test]
fn selectors_and_required_terms_rule_nodes_out() {
    assert_eq!(rejected(json!({})), []);
    assert_eq!(rejected(json!({"nodeSelector": {"disk": "ssd"}})), unmatched(&[1]));
    let cores = json!({"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["0"]}]});
    assert_eq!(rejected(required(json!([cores]))), unmatched(&[0]));
    assert_eq!(rejected(required(json!([cores, {"matchFields": [name("n0")]}]))), []);
    assert_eq!(rejected(required(json!([{}]))), unmatched(&[0, 1, 2]));
    assert_eq!(rejected(required(json!([]))), unmatched(&[0, 1, 2]));
}

#[test]
fn only_the_nodes_asked_about_are_judged() {
    let Verdict::Nodes(rejections) = verdict(json!({"nodeSelector": {"disk": "nvme"}}), [1]) else {
        panic!()
    };
    assert_eq!(rejections[0].nodes.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn pods_that_name_their_node_get_upstreams_reasons() {
    let other = (NOT_NAMED.to_string(), vec![0, 2]);
    assert_eq!(rejected(required(json!([{"matchFields": [name("n1")]}]))), std::slice::from_ref(&other));
    let ssd = json!([{"key": "disk", "operator": "In", "values": ["ssd"]}]);
    let both = required(json!([{"matchFields": [name("n1")], "matchExpressions": ssd}]));
    assert_eq!(rejected(both), [unmatched(&[1])[0].clone(), other]);
    let conflict = required(json!([{"matchFields": [name("n1"), name("n2")]}]));
    assert_eq!(rejected(conflict), [("pod affinity terms conflict".to_string(), Vec::new())]);
}

#[test]
fn preferred_terms_weigh() {
    let pod = preferring(json!([
        {"weight": 30, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}},
        {"weight": 10, "preference": {"matchExpressions": [{"key": "cores", "operator": "In", "values": ["2"]}]}},
        {"weight": 99, "preference": {}},
    ]));
    assert_eq!(policy().score(&pod, &(0..3).collect()).unwrap(), [30, 0, 40]);
    assert_eq!(policy().score(&pod, &[2].into_iter().collect()).unwrap(), [40]);
    assert_eq!(policy().score("{}", &(0..3).collect()).unwrap(), [0, 0, 0]);
}

#[test]
fn labels_change_and_nodes_go() {
    let mut policy = policy();
    let moved = json!({"metadata": {"name": "n0", "labels": {"disk": "hdd"}}}).to_string();
    policy.sync(Delta::NodeUpsert { index: 0, node: moved }).unwrap();
    policy.sync(Delta::NodeRemove { index: 1 }).unwrap();
    let pod = json!({"spec": {"nodeSelector": {"disk": "ssd"}}}).to_string();
    let Verdict::Nodes(rejections) = policy.filter(&pod, &(0..5).collect()).unwrap() else { panic!() };
    assert_eq!(rejections[0].nodes.iter().collect::<Vec<_>>(), [0]);
}
