use orch_sdk::fake::scheduler::Scheduler;
use orch_sdk::json;
use proptest::prelude::*;

use super::*;

fn node(name: &str) -> Value {
    let allocatable = json!({"cpu": "10", "memory": "10Gi", "pods": "110", "example.com/gpu": "10"});
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

fn host() -> Scheduler<BalancedAllocation> {
    let mut host = Scheduler::new();
    host.node(node("even")).node(node("cpu")).node(node("memory"));
    host.pod(on("a", "cpu", json!({"cpu": "6"}))).pod(on("b", "memory", json!({"memory": "6Gi"})));
    host
}

#[test]
fn pods_go_where_they_even_things_out() {
    let mut host = host();
    // even: 100 to 80; cpu: 70 to 90, memory: 70 to 50.
    let scores = host.scores(&pod(json!({"memory": "4Gi"})));
    assert_eq!((scores["even"], scores["cpu"], scores["memory"]), (65, 85, 65));
}

#[test]
fn pods_that_ask_for_nothing_have_no_say() {
    let mut host = host();
    assert!(host.scores(&pod(json!({}))).into_values().all(|score| score == 0));
    assert!(host.scores(&pod(json!({"example.com/gpu": 1}))).into_values().all(|score| score == 0));
}

#[test]
fn resources_are_configured() {
    let config = json!({"resources": [{"name": "cpu", "weight": 1}, {"name": "example.com/gpu"}]});
    let mut host = Scheduler::<BalancedAllocation>::configured(&config).unwrap();
    host.node(node("n"));
    host.pod(on("a", "n", json!({"cpu": "6"})));
    // Alone, cpu is even with itself.
    assert_eq!(host.scores(&pod(json!({"cpu": "1"})))["n"], 75);
    assert_eq!(host.scores(&pod(json!({"example.com/gpu": 6})))["n"], 50 + (50 + 100 - 70) / 2);
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |config| Scheduler::<BalancedAllocation>::configured(&config).err().expect("an error");
    let twice = json!({"resources": [{"name": "cpu"}, {"name": "cpu"}]});
    assert_eq!(refused(twice), "resources[1].name: Invalid value: \"cpu\": is named twice");
    let heavy = json!({"resources": [{"name": "cpu", "weight": 2}]});
    assert_eq!(refused(heavy), "resources[0].weight: Invalid value: 2: must be 1");
    assert!(refused(json!({"resource": []})).starts_with("resource: unknown field"));
}

proptest! {
    #[test]
    fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, cpu in 0u32..20, memory in 0u32..20) {
        let mut host = Scheduler::<BalancedAllocation>::new();
        let requests = |number: u8| json!({"cpu": number % 7, "memory": format!("{}Gi", number % 5)});
        host.play(&script, |name, _| node(name), |name, node, number| on(name, node, requests(number)));
        let asking = pod(json!({"cpu": cpu, "memory": format!("{memory}Gi")}));
        host.assert_sound(&asking);
        prop_assert!(host.scores(&asking).into_values().all(|score| score == 0 || (50..=100).contains(&score)));
    }
}
