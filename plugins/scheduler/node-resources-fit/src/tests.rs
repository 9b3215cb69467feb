use orch_sdk::fake::scheduler::Scheduler;
use orch_sdk::json;
use proptest::prelude::*;

use super::*;

fn node(name: &str, cpu: &str, memory: &str, pods: &str) -> Value {
    let allocatable = json!({"cpu": cpu, "memory": memory, "pods": pods, "example.com/gpu": "2"});
    json!({"metadata": {"name": name}, "status": {"allocatable": allocatable}})
}

fn pod(requests: Value) -> Value {
    json!({"spec": {"containers": [{"resources": {"requests": requests}}]}})
}

fn on(name: &str, node: &str, requests: Value) -> Value {
    let mut pod = pod(requests);
    pod["metadata"] = json!({"name": name});
    pod["spec"]["nodeName"] = node.into();
    pod
}

fn host(nodes: impl IntoIterator<Item = Value>) -> Scheduler<NodeResourcesFit> {
    let mut host = Scheduler::new();
    for node in nodes {
        host.node(node);
    }
    host
}

#[test]
fn nodes_without_room_are_named_by_what_they_lack() {
    let mut host = host([
        node("small", "1", "1Gi", "110"),
        node("busy", "4", "8Gi", "110"),
        node("full", "4", "8Gi", "1"),
    ]);
    host.pod(on("a", "busy", json!({"cpu": "3"}))).pod(on("b", "full", json!({})));
    let found = host.filter(&pod(json!({"cpu": "1500m", "memory": "2Gi", "example.com/gpu": 1})));
    assert_eq!(
        found.message(),
        "0/3 nodes are available: 1 Insufficient memory, 1 Too many pods, 2 Insufficient cpu."
    );
    assert_eq!(found.reasons("small"), ["Insufficient cpu", "Insufficient memory"]);
    assert!(found.is_unresolvable("small"));
    assert!(!found.is_unresolvable("busy") && !found.is_unresolvable("full"));
    let greedy = host.filter(&pod(json!({"example.com/gpu": "3"})));
    assert_eq!(greedy.reasons("busy"), ["Insufficient example.com/gpu"]);
    let unknown = host.filter(&pod(json!({"example.com/other": "1"})));
    assert_eq!(unknown.rejected.len(), 3);
    assert!(unknown.is_unresolvable("busy"));
}

#[test]
fn a_pod_without_requests_needs_only_a_place() {
    let mut host = host([node("n", "0", "0", "1")]);
    assert_eq!(host.filter(&pod(json!({}))).feasible(), ["n"]);
    host.pod(on("a", "n", json!({})));
    assert_eq!(host.filter(&pod(json!({}))).reasons("n"), ["Too many pods"]);
}

#[test]
fn pods_give_back_what_they_took() {
    let mut host = host([node("n", "1", "1Gi", "110")]);
    host.pod(on("a", "n", json!({"cpu": "1"})));
    assert!(host.filter(&pod(json!({"cpu": "100m"}))).feasible().is_empty());
    host.pod(on("a", "n", json!({"cpu": "500m"})));
    assert_eq!(host.filter(&pod(json!({"cpu": "500m"}))).feasible(), ["n"]);
    host.remove_pod("a");
    assert_eq!(host.filter(&pod(json!({"cpu": "1"}))).feasible(), ["n"]);
}

#[test]
fn ignored_resources_and_groups_are_not_looked_at() {
    let mut host = host([node("n", "4", "8Gi", "110")]);
    let license = pod(json!({"example.com/license": 1, "other.io/thing": 1}));
    assert_eq!(host.filter(&license).reasons("n").len(), 2);
    host.configure(&json!({"ignoredResources": ["example.com/license"]})).unwrap();
    assert_eq!(host.filter(&license).reasons("n"), ["Insufficient other.io/thing"]);
    host.configure(&json!({"ignoredResourceGroups": ["example.com", "other.io"]})).unwrap();
    assert_eq!(host.filter(&license).feasible(), ["n"]);
    // Kubernetes' own resources always count.
    host.configure(&json!({"ignoredResources": ["cpu", "hugepages-2Mi"]})).unwrap();
    assert_eq!(host.filter(&pod(json!({"cpu": "9", "hugepages-2Mi": "2Mi"}))).reasons("n").len(), 2);
}

#[test]
fn spread_prefers_empty_nodes_and_pack_full_ones() {
    let mut host = host([node("a", "4", "8Gi", "110"), node("b", "4", "8Gi", "110")]);
    host.pod(on("p", "a", json!({"cpu": "2", "memory": "4Gi"})));
    let ask = pod(json!({"cpu": "1", "memory": "2Gi"}));
    let scores = |host: &mut Scheduler<NodeResourcesFit>| host.scores(&ask).into_values().collect::<Vec<_>>();
    assert_eq!(scores(&mut host), [25, 75]);
    host.configure(&json!({"scoringStrategy": {"type": "MostAllocated"}})).unwrap();
    assert_eq!(scores(&mut host), [75, 25]);
}

#[test]
fn weights_and_assumed_requests_count_in_scores() {
    let mut host = host([node("n", "1", "1000Mi", "110")]);
    // 100m of 1000m and 200Mi of 1000Mi are assumed.
    assert_eq!(host.scores(&pod(json!({})))["n"], 85);
    let strategy =
        |resources: Value| json!({"scoringStrategy": {"type": "LeastAllocated", "resources": resources}});
    host.configure(&strategy(json!([{"name": "cpu", "weight": 5}]))).unwrap();
    assert_eq!(host.scores(&pod(json!({})))["n"], 90);
    host.configure(&strategy(json!([{"name": "cpu", "weight": 3}, {"name": "memory"}]))).unwrap();
    assert_eq!(host.scores(&pod(json!({})))["n"], (3 * 90 + 80) / 4);
    // An extended resource counts for those who ask for it.
    host.configure(&strategy(json!([{"name": "example.com/gpu"}, {"name": "cpu"}]))).unwrap();
    assert_eq!(host.scores(&pod(json!({})))["n"], 90);
    assert_eq!(host.scores(&pod(json!({"example.com/gpu": 1})))["n"], (50 + 90) / 2);
}

/// The example of upstream's documentation: <https://kubernetes.io/docs/concepts/scheduling-eviction/resource-bin-packing/>
#[test]
fn shapes_score_by_the_ratio() {
    let config = json!({"scoringStrategy": {
        "type": "RequestedToCapacityRatio",
        "resources": [{"name": "example.com/foo", "weight": 3}, {"name": "memory", "weight": 1}, {"name": "cpu", "weight": 3}],
        "requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]},
    }});
    let mut host = Scheduler::<NodeResourcesFit>::configured(&config).unwrap();
    let allocatable = json!({"example.com/foo": "4", "memory": "1024Mi", "cpu": "8", "pods": "9"});
    host.node(json!({"metadata": {"name": "n"}, "status": {"allocatable": allocatable}}));
    host.pod(on("p", "n", json!({"example.com/foo": "1", "memory": "256Mi", "cpu": "1"})));
    // foo (1 + 2) / 4 = 75, memory (256 + 256) / 1024 = 50, cpu (1 + 2) / 8 = 37.
    let score = host.scores(&pod(json!({"example.com/foo": "2", "memory": "256Mi", "cpu": "2"})))["n"];
    assert_eq!(score, (75 * 3 + 50 + 37 * 3 + 3) / 7);
    let steps = json!([{"utilization": 50, "score": 10}, {"utilization": 60, "score": 0}]);
    let mut stepped = config.clone();
    stepped["scoringStrategy"]["requestedToCapacityRatio"]["shape"] = steps;
    host.configure(&stepped).unwrap();
    // A resource worth nothing is left out: memory (100) and cpu (100) remain.
    let score = host.scores(&pod(json!({"example.com/foo": "2", "memory": "256Mi", "cpu": "2"})))["n"];
    assert_eq!(score, 100);
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |config| Scheduler::<NodeResourcesFit>::configured(&config).err().expect("an error");
    let strategy = |strategy: Value| refused(json!({"scoringStrategy": strategy}));
    assert_eq!(
        strategy(json!({"type": "Best"})),
        "scoringStrategy.type: Unsupported value: \"Best\": supported values: \"LeastAllocated\", \
         \"MostAllocated\", \"RequestedToCapacityRatio\""
    );
    assert_eq!(
        strategy(json!({"resources": [{"name": "cpu"}, {"weight": 1}]})),
        "scoringStrategy.resources[1].name: Required value: must be a string"
    );
    assert_eq!(
        strategy(json!({"resources": [{"name": "cpu", "weight": 0}]})),
        "scoringStrategy.resources[0].weight: Invalid value: 0: resource weight of cpu not in valid range (0, 100]"
    );
    let ratio = |shape| {
        strategy(json!({"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": shape}}))
    };
    assert!(ratio(json!([])).contains("requestedToCapacityRatio.shape: Required value: at least one point"));
    assert!(
        ratio(json!([{"utilization": 101}]))
            .contains("shape[0].utilization: Invalid value: 101: not in valid")
    );
    assert!(ratio(json!([{"utilization": 1, "score": 11}])).contains("shape[0].score: Invalid value: 11"));
    let unsorted = json!([{"utilization": 5}, {"utilization": 5}]);
    assert!(ratio(unsorted).contains("shape[1].utilization: Invalid value: 5: values must be sorted"));
    assert!(
        strategy(json!({"type": "RequestedToCapacityRatio"}))
            .contains("Required value: must be specified when")
    );
    let unused = json!({"requestedToCapacityRatio": {"shape": []}});
    assert!(strategy(unused).starts_with("scoringStrategy.requestedToCapacityRatio: Forbidden: must be nil"));
    assert_eq!(
        refused(json!({"ignoredResourceGroups": ["a/b"]})),
        "ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'"
    );
    assert!(refused(json!({"scoringStrategie": {}})).starts_with("scoringStrategie: unknown field"));
    assert!(strategy(json!({"typ": 1})).starts_with("scoringStrategy.typ: unknown field"));
}

proptest! {
    #[test]
    fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, cpu in 0u32..5000, gpus in 0u8..4) {
        let mut host = host([]);
        host.play(
            &script,
            |name, number| node(name, &format!("{}", number % 5), "8Gi", &format!("{}", number % 3)),
            |name, node, number| on(name, node, json!({"cpu": format!("{}m", u32::from(number) * 10), "example.com/gpu": number % 2})),
        );
        host.assert_sound(&pod(json!({"cpu": format!("{cpu}m"), "memory": "1Gi", "example.com/gpu": gpus})));
    }
}
