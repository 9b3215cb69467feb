use orch_sdk::fake::scheduler::Scheduler;
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::*;

fn node(name: &str, labels: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}})
}

fn host() -> Scheduler<NodeAffinityPolicy> {
    let mut host = Scheduler::new();
    for (index, disk) in ["ssd", "hdd", "ssd"].iter().enumerate() {
        host.node(node(&format!("n{index}"), json!({"disk": disk, "cores": index.to_string()})));
    }
    host
}

fn required(terms: Value) -> Value {
    json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}})
}

fn preferred(terms: Value) -> Value {
    json!({"preferredDuringSchedulingIgnoredDuringExecution": terms})
}

fn pod(node_affinity: Value) -> Value {
    json!({"spec": {"affinity": {"nodeAffinity": node_affinity}}})
}

fn label(key: &str, operator: &str, values: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
}

fn name(name: &str) -> Value {
    json!({"key": "metadata.name", "operator": "In", "values": [name]})
}

const ALL_UNMATCHED: &str = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.";

#[test]
fn selectors_and_required_terms_rule_nodes_out() {
    let mut host = host();
    assert_eq!(host.filter(&json!({})).feasible(), ["n0", "n1", "n2"]);
    let ssd = host.filter(&json!({"spec": {"nodeSelector": {"disk": "ssd"}}}));
    assert_eq!(ssd.feasible(), ["n0", "n2"]);
    assert!(ssd.is_unresolvable("n1"));
    let cores = label("cores", "Gt", &["0"]);
    assert_eq!(host.filter(&pod(required(json!([cores])))).feasible(), ["n1", "n2"]);
    let either = required(json!([cores, {"matchFields": [name("n0")]}]));
    assert_eq!(host.filter(&pod(either)).feasible(), ["n0", "n1", "n2"]);
    assert_eq!(host.filter(&pod(required(json!([{}])))).message(), ALL_UNMATCHED);
    assert_eq!(host.filter(&pod(required(json!([])))).message(), ALL_UNMATCHED);
}

#[test]
fn pods_that_name_their_node_get_upstreams_reasons() {
    let mut host = host();
    let found = host.filter(&pod(required(json!([{"matchFields": [name("n1")]}]))));
    assert_eq!(
        found.message(),
        "1/3 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    );
    let mut ssd = label("disk", "In", &["ssd"]);
    ssd["matchFields"] = json!([name("n1")]);
    assert_eq!(host.filter(&pod(required(json!([ssd])))).reasons("n1"), [NOT_MATCHED]);
    let conflict = required(json!([{"matchFields": [name("n1"), name("n2")]}]));
    assert_eq!(host.filter(&pod(conflict)).pod.as_deref(), Some("pod affinity terms conflict"));
}

#[test]
fn preferred_terms_weigh() {
    let mut host = host();
    let wishes = pod(preferred(json!([
        {"weight": 30, "preference": label("disk", "In", &["ssd"])},
        {"weight": 10, "preference": label("cores", "In", &["2"])},
        {"weight": 99, "preference": {}},
    ])));
    assert_eq!(host.raw_scores(&wishes).into_values().collect::<Vec<_>>(), [30, 0, 40]);
    assert_eq!(host.scores(&wishes).into_values().collect::<Vec<_>>(), [75, 0, 100]);
    assert_eq!(host.scores(&json!({})).into_values().collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn added_affinity_holds_for_every_pod() {
    let mut host = host();
    let mut added = required(json!([label("disk", "In", &["ssd"])]));
    added["preferredDuringSchedulingIgnoredDuringExecution"] = json!([{"weight": 5, "preference": label("cores", "Exists", &[])}, {"weight": 7, "preference": label("cores", "Lt", &["1"])}]);
    host.configure(&json!({"addedAffinity": added})).unwrap();
    let found = host.filter(&json!({}));
    assert_eq!(found.feasible(), ["n0", "n2"]);
    assert_eq!(found.reasons("n1"), ["node(s) didn't match scheduler-enforced node affinity"]);
    let wishes = pod(preferred(json!([{"weight": 1, "preference": label("disk", "In", &["ssd"])}])));
    assert_eq!(host.raw_scores(&wishes).into_values().collect::<Vec<_>>(), [13, 5, 6]);
    host.configure(&json!({})).unwrap();
    assert_eq!(host.filter(&json!({})).feasible().len(), 3);
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |config| Scheduler::<NodeAffinityPolicy>::configured(&config).err().expect("an error");
    let at = "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].";
    let term = |term: Value| {
        let error = refused(json!({"addedAffinity": required(json!([term]))}));
        error.strip_prefix(at).unwrap_or_else(|| panic!("{error}")).to_string()
    };
    assert!(
        term(label("a", "Is", &["b"])).starts_with("matchExpressions[0].operator: Unsupported value: \"Is\"")
    );
    assert!(term(label("a", "In", &[])).starts_with("matchExpressions[0].values: Required value"));
    assert!(term(label("a", "Exists", &["b"])).starts_with("matchExpressions[0].values: Forbidden"));
    assert!(term(label("a", "Gt", &["b"])).starts_with("matchExpressions[0].values: Invalid value"));
    let two = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]});
    assert_eq!(term(two), "matchFields[0].values: Invalid value: [\"a\",\"b\"]: must have one element");
    let heavy = preferred(json!([{"weight": 101, "preference": {}}]));
    assert!(refused(json!({"addedAffinity": heavy})).contains("[0].weight: Invalid value: 101"));
    assert!(refused(json!({"added": {}})).starts_with("added: unknown field"));
}

fn random_labels(number: u8) -> Value {
    match number % 4 {
        0 => json!({}),
        1 => json!({"disk": "ssd"}),
        2 => json!({"disk": "hdd", "cores": (number % 16).to_string()}),
        _ => json!({"cores": "many"}),
    }
}

proptest! {
    #[test]
    fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, operator in 0usize..6, value in 0usize..3) {
        let operator = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"][operator];
        let value = ["ssd", "4", "hdd"][value];
        let mut host = Scheduler::<NodeAffinityPolicy>::new();
        host.play(&script, |name, number| node(name, random_labels(number)), |name, node, _| {
            json!({"metadata": {"name": name}, "spec": {"nodeName": node}})
        });
        let terms = json!([label("disk", operator, &[value]), label("cores", operator, &[value])]);
        host.assert_sound(&pod(required(terms.clone())));
        let wishes: Vec<Value> = terms.as_array().unwrap().iter().map(|term| json!({"weight": 3, "preference": term})).collect();
        host.assert_sound(&pod(preferred(wishes.into())));
    }
}
