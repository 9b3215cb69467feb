use orch_sdk::fake::scheduler::Scheduler;
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::*;

type Host = Scheduler<DefaultPreemption>;

fn host(nodes: &[&str]) -> Host {
    let mut host = Host::new();
    for node in nodes {
        host.node(json!({"metadata": {"name": node}}));
    }
    host
}

/// `started`: minutes after some noon.
fn on(name: &str, node: &str, priority: i32, started: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name.trim_end_matches(char::is_numeric)}},
        "spec": {"nodeName": node, "priority": priority},
        "status": {"startTime": format!("2026-11-21T12:{started:02}:00Z")},
    })
}

fn preemptor(priority: i32) -> Value {
    json!({"metadata": {"uid": "u", "name": "high"}, "spec": {"priority": priority}})
}

fn budget(app: &str, allowed: i64) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": app}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 3},
    })
}

fn proposed(host: &mut Host, pod: &Value) -> Vec<(String, Vec<String>)> {
    let mut proposals = host.propose(pod).unwrap();
    proposals.sort();
    proposals
}

fn victims_on(host: &mut Host, node: &str) -> Vec<String> {
    host.propose_among(&preemptor(100), &[node]).unwrap().remove(0).1
}

#[test]
fn pods_of_lower_priority_may_go_the_least_important_first() {
    let mut host = host(&["a", "b", "c"]);
    host.pod(on("old1", "a", 5, 1)).pod(on("new1", "a", 5, 9)).pod(on("mid1", "a", 50, 5));
    host.pod(on("peer1", "a", 100, 1)).pod(on("peer2", "b", 100, 1));
    let mut unstarted = on("unstarted1", "a", 5, 0);
    unstarted["status"] = json!({});
    host.pod(unstarted);
    let victims = ["mid1", "old1", "new1", "unstarted1"].map(String::from).to_vec();
    assert_eq!(proposed(&mut host, &preemptor(100)), [("a".to_string(), victims)]);
    // Nothing is below.
    assert!(proposed(&mut host, &preemptor(5)).is_empty());
    host.remove_pod("mid1").remove_pod("old1");
    assert_eq!(victims_on(&mut host, "a"), ["new1", "unstarted1"]);
    host.pod(on("new1", "b", 5, 9));
    assert_eq!(victims_on(&mut host, "a"), ["unstarted1"]);
    assert_eq!(victims_on(&mut host, "b"), ["new1"]);
}

#[test]
fn those_whose_eviction_breaks_a_budget_are_spared_first() {
    let mut host = host(&["a"]);
    host.pod(on("free1", "a", 9, 1));
    host.pod(on("web1", "a", 3, 1)).pod(on("web2", "a", 3, 2)).pod(on("web3", "a", 3, 3));
    host.object(budget("web", 1));
    // The first eviction is allowed, so only the others would break it.
    assert_eq!(victims_on(&mut host, "a"), ["web2", "web3", "free1", "web1"]);
    host.object(budget("web", 3));
    assert_eq!(victims_on(&mut host, "a"), ["free1", "web1", "web2", "web3"]);
    // What was granted already does not count again.
    let mut granted = budget("web", 0);
    granted["status"]["disruptedPods"] = json!({"web1": "2026-11-21T12:00:00Z"});
    host.object(granted.clone());
    assert_eq!(victims_on(&mut host, "a"), ["web2", "web3", "free1", "web1"]);
    host.remove_object(&granted);
    assert_eq!(victims_on(&mut host, "a"), ["free1", "web1", "web2", "web3"]);
    // A budget of another namespace, or one that selects nothing, is none.
    let mut elsewhere = budget("web", 0);
    elsewhere["metadata"]["namespace"] = "other".into();
    let mut empty = budget("all", 0);
    empty["spec"]["selector"] = json!({});
    host.object(elsewhere).object(empty);
    assert_eq!(victims_on(&mut host, "a"), ["free1", "web1", "web2", "web3"]);
}

#[test]
fn who_may_not_preempt_is_told_why() {
    let mut host = host(&["a", "b"]);
    let mut polite = preemptor(100);
    polite["spec"]["preemptionPolicy"] = "Never".into();
    assert_eq!(host.propose(&polite), Err("not eligible due to preemptionPolicy=Never.".into()));

    let mut promised = preemptor(100);
    promised["status"] = json!({"nominatedNodeName": "a"});
    let mut going = on("p1", "a", 1, 1);
    host.pod(going.clone());
    assert!(host.propose(&promised).is_ok());
    going["metadata"]["deletionTimestamp"] = "2026-11-21T13:00:00Z".into();
    host.pod(going.clone());
    // Somebody deleted it: that was no preemption.
    assert!(host.propose(&promised).is_ok());
    going["status"]["conditions"] = json!([
        {"type": "Ready", "status": "True"},
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "m"},
    ]);
    host.pod(going);
    assert_eq!(
        host.propose(&promised),
        Err("not eligible due to a terminating pod on the nominated node.".into())
    );
    // The node became impossible meanwhile, or the pod was promised nothing.
    assert!(host.propose_among(&promised, &["b"]).is_ok());
    assert!(host.propose(&preemptor(100)).is_ok());
    assert!(host.remove_node("a").propose(&promised).is_ok());
}

#[test]
fn candidates_are_limited() {
    let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
    let mut host = host(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        host.pod(on(&format!("p-{name}"), name, 1, 1));
    }
    assert_eq!(host.propose(&preemptor(9)).unwrap().len(), 100);
    host.configure(&json!({"minCandidateNodesPercentage": 50})).unwrap();
    assert_eq!(host.propose(&preemptor(9)).unwrap().len(), 150);
    host.configure(&json!({"minCandidateNodesPercentage": 1, "minCandidateNodesAbsolute": 0})).unwrap();
    let first = host.propose(&preemptor(9)).unwrap();
    assert_eq!(first.len(), 3);
    // Another pod looks elsewhere, and so does the same one when the pods have changed.
    let mut other = preemptor(9);
    other["metadata"]["uid"] = "another".into();
    assert_ne!(host.propose(&other).unwrap(), first);
    host.remove_pod("p-n299");
    assert_ne!(host.propose(&preemptor(9)).unwrap(), first);
}

#[test]
fn the_cheapest_candidate_is_chosen() {
    let mut host = host(&["a", "b", "c", "d"]);
    host.pod(on("web1", "a", 1, 1)).object(budget("web", 0));
    host.pod(on("p1", "b", 7, 1));
    host.pod(on("q1", "c", 5, 1)).pod(on("q2", "c", 5, 2));
    host.pod(on("r1", "d", 5, 3)).pod(on("r2", "d", 5, 4));
    let mut choose = |candidates: &[(&str, &[&str])]| host.choose(&preemptor(100), candidates).unwrap();
    // A broken budget is worse than a higher priority …
    assert_eq!(choose(&[("a", &["web1"]), ("b", &["p1"])]), "b");
    // … that is worse than more victims …
    assert_eq!(choose(&[("b", &["p1"]), ("c", &["q1", "q2"])]), "c");
    // … fewer are better …
    assert_eq!(choose(&[("c", &["q1", "q2"]), ("d", &["r2"])]), "d");
    // … then those that started later, and then the first.
    assert_eq!(choose(&[("c", &["q2", "q1"]), ("d", &["r2", "r1"])]), "d");
    assert_eq!(choose(&[("d", &["r1"]), ("d", &["r1"])]), "d");
}

#[test]
fn many_of_negative_priority_cost_more_than_few() {
    let mut host = host(&["a", "b"]);
    host.pod(on("p1", "a", -10, 1)).pod(on("p2", "a", -10, 1)).pod(on("q1", "b", -10, 1));
    assert_eq!(host.choose(&preemptor(0), &[("a", &["p1", "p2"]), ("b", &["q1"])]), Some("b".into()));
}

#[test]
fn budgets_are_charged_with_those_that_stay() {
    let mut host = host(&["a", "b"]);
    host.pod(on("web1", "a", 3, 1)).pod(on("web2", "a", 3, 2)).object(budget("web", 1));
    host.pod(on("other1", "b", 4, 1));
    // web2 was counted as breaking the budget, web1 as the one it allows.
    assert_eq!(host.choose(&preemptor(9), &[("a", &["web2"]), ("b", &["other1"])]), Some("b".into()));
    assert_eq!(host.choose(&preemptor(9), &[("a", &["web1"]), ("b", &["other1"])]), Some("a".into()));
    assert_eq!(host.choose(&preemptor(9), &[]), None);
    assert_eq!(host.choose(&preemptor(9), &[("a", &["gone"])]), None);
}

#[test]
fn wrong_configurations_name_the_field() {
    let refused = |config| Host::configured(&config).err().expect("an error");
    assert_eq!(
        refused(json!({"minCandidateNodesPercentage": 101})),
        "minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]"
    );
    assert!(
        refused(json!({"minCandidateNodesAbsolute": -1})).starts_with("minCandidateNodesAbsolute: Invalid")
    );
    assert!(refused(json!({"minCandidateNodes": 1})).starts_with("minCandidateNodes: unknown field"));
    let neither = json!({"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0});
    assert!(refused(neither).contains("cannot be zero at the same time as minCandidateNodesAbsolute"));
}

proptest! {
    #[test]
    fn proposals_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>, priority in 0i32..12, allowed in 0i64..3) {
        let mut host = Host::new();
        host.object(budget("pod-", allowed));
        host.play(&script, |name, _| json!({"metadata": {"name": name}}), |name, node, number| {
            on(name, node, i32::from(number / 8 % 10), u32::from(number % 60))
        });
        let pod = preemptor(priority);
        let proposals = proposed(&mut host, &pod);
        prop_assert_eq!(proposed(&mut host.rebuilt(), &pod), proposals.clone());
        for (node, victims) in &proposals {
            prop_assert_eq!(&host.propose_among(&pod, &[node]).unwrap()[0].1, victims);
        }
        let candidates: Vec<(&str, Vec<&str>)> = proposals
            .iter()
            .map(|(node, victims)| (node.as_str(), victims.iter().map(String::as_str).collect()))
            .collect();
        let candidates: Vec<(&str, &[&str])> = candidates.iter().map(|(node, victims)| (*node, victims.as_slice())).collect();
        prop_assert_eq!(host.rebuilt().choose(&pod, &candidates), host.choose(&pod, &candidates));
    }
}
