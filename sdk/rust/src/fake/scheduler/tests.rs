use serde_json::json;

use super::*;
use crate::scheduler::Rejection;

/// Keeps pods off nodes with a forbidden color, and counts what it is told.
#[derive(Default)]
struct Colors {
    forbidden: NodeSet,
    told: Vec<String>,
    bad: bool,
    forgetful: bool,
}

impl Policy for Colors {
    fn describe() -> Description {
        Description::new()
            .pod(&["spec.color"])
            .reads("v1", "Node", &["metadata.labels[color]"])
            .reads("v1", "Pod", &["spec.color"])
            .reads("example.com/v1", "Ban", &["spec.color"])
            .filters(Scope::Node)
            .scores(Scope::Node, Normalization::HighestReversed)
            .ranks()
            .preempts()
            .reserves()
            .permits()
            .prepares()
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.bad = config["bad"] == true;
        self.forgetful = config["forgetful"] == true;
        if config["refuse"] == true { Err("refuse: told to".into()) } else { Ok(()) }
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        self.told.push(format!("{delta:?}"));
        match delta {
            Delta::NodeUpsert { index, node } if node.contains("red") => self.forbidden.insert(index),
            Delta::NodeUpsert { index, .. } | Delta::NodeRemove { index } => self.forbidden.remove(index),
            _ => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        if pod.contains("none") {
            return Ok(Verdict::Pod("no color".into()));
        }
        // Says more than it was asked: the host leaves the rest aside.
        let nodes = if self.bad && nodes.count() == 1 { NodeSet::new() } else { self.forbidden.clone() };
        let nodes = if self.forgetful && self.told.len() == 3 { NodeSet::new() } else { nodes };
        Ok(vec![Rejection { reason: "node(s) were red".into(), nodes, unresolvable: true }].into())
    }

    fn score(&mut self, _pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let score = |node| if self.forbidden.contains(node) { 4 } else { 2 };
        Ok(nodes.iter().map(score).skip(usize::from(self.bad)).collect())
    }

    fn propose(&mut self, pod: &str, nodes: &NodeSet) -> Result<Plan, String> {
        if pod.contains("never") {
            return Ok(Plan::NotEligible("never".into()));
        }
        let proposal = |node| Eviction { node, victims: vec!["p".into()] };
        Ok(Plan::Proposals(nodes.iter().map(proposal).collect()))
    }

    fn choose(&mut self, _pod: &str, candidates: &[Eviction]) -> Result<Option<usize>, String> {
        Ok(candidates.iter().position(|candidate| candidate.victims.is_empty()))
    }

    fn reserve(&mut self, _pod: &str, node: usize) -> Result<(), String> {
        if node == 1 { Err("full".into()) } else { Ok(()) }
    }

    fn permit(&mut self, _pod: &str, node: usize) -> Result<Permission, String> {
        Ok(Permission::Wait { millis: node as u32 })
    }
}

fn node(name: &str, color: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"color": color, "x": "y"}}, "status": {"a": 1}})
}

fn host() -> Scheduler<Colors> {
    let mut host = Scheduler::new();
    host.node(node("a", "red")).node(node("b", "blue")).node(node("c", "red"));
    host
}

#[test]
fn verdicts_come_by_node_name() {
    let mut host = host();
    let filtered = host.filter(&json!({"spec": {"color": "x"}}));
    assert_eq!(filtered.feasible(), ["b"]);
    assert_eq!(filtered.reasons("a"), ["node(s) were red"]);
    assert!(filtered.is_unresolvable("c") && !filtered.is_unresolvable("b"));
    assert_eq!(filtered.message(), "1/3 nodes are available: 2 node(s) were red.");
    assert_eq!(
        host.filter_among(&json!({}), &["b", "c"]).message(),
        "1/2 nodes are available: 1 node(s) were red."
    );
    let nowhere = host.filter(&json!({"spec": {"color": "none"}}));
    assert_eq!(nowhere.message(), "0/3 nodes are available: no color.");
    // What the policy does not read does not reach it.
    assert_eq!(host.filter(&json!({"spec": {"other": "none"}})).pod, None);
}

#[test]
fn policies_hear_of_what_they_read_alone() {
    let mut host = host();
    host.policy().told.clear();
    let mut same = node("a", "red");
    same.set(&["status", "a"], 2);
    host.node(same);
    host.object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    assert_eq!(host.policy().told, Vec::<String>::new());
    let ban = json!({"apiVersion": "example.com/v1", "kind": "Ban", "metadata": {"name": "b"}, "spec": {"color": "red", "x": 1}});
    host.object(ban.clone()).object(ban.clone()).remove_object(&ban).remove_object(&ban);
    assert_eq!(host.policy().told.len(), 2);
    assert!(!host.policy().told[0].contains("\\\"x\\\""), "{}", host.policy().told[0]);
    host.policy().told.clear();
    let pod = |node: &str, phase: &str| json!({"metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": node}, "status": {"phase": phase}});
    host.pod(pod("a", "Pending")).pod(pod("a", "Running")).pod(pod("b", "Running"));
    assert_eq!(host.policy().told.len(), 2);
    host.remove_node("b");
    assert!(host.policy().told[2].starts_with("PodRemove"));
    assert!(host.policy().told[3].starts_with("NodeRemove"));
}

#[test]
fn indexes_are_used_again() {
    let mut host = host();
    host.remove_node("a").node(node("d", "blue"));
    assert_eq!(host.index("d"), Some(0));
    assert_eq!(host.filter(&json!({})).feasible(), ["b", "d"]);
}

#[test]
fn scores_are_normalised() {
    let mut host = host();
    assert_eq!(host.raw_scores(&json!({})).into_values().collect::<Vec<_>>(), [4, 2, 4]);
    assert_eq!(host.scores(&json!({})).into_values().collect::<Vec<_>>(), [0, 50, 0]);
    assert_eq!(host.scores_among(&json!({}), &["b"])["b"], 0);
}

#[test]
fn the_other_points_answer() {
    let mut host = host();
    assert_eq!(host.rank(&json!({})), 0);
    assert_eq!(host.propose(&json!({"spec": {"color": "never"}})), Err("never".into()));
    let proposals = host.propose_among(&json!({}), &["c"]).unwrap();
    assert_eq!(proposals, [("c".to_string(), vec!["p".to_string()])]);
    assert_eq!(host.choose(&json!({}), &[("a", &["p"]), ("b", &[])]), Some("b".into()));
    assert_eq!(host.choose(&json!({}), &[("a", &["p"])]), None);
    assert_eq!(host.reserve(&json!({}), "b"), Err("full".into()));
    host.unreserve(&json!({}), "b");
    assert_eq!(host.permit(&json!({}), "c"), Permission::Wait { millis: 2 });
    assert!(host.pre_bind(&json!({}), "c").ready);
    host.assert_sound(&json!({}));
}

#[test]
fn configurations_are_refused() {
    assert_eq!(
        Scheduler::<Colors>::configured(&json!({"refuse": true})).err(),
        Some("refuse: told to".into())
    );
    assert_eq!(host().configure(&json!({"refuse": true})), Err("refuse: told to".into()));
}

#[test]
#[should_panic(expected = "one score for each node of the set")]
fn too_few_scores_are_refused() {
    let mut host = host();
    host.configure(&json!({"bad": true})).unwrap();
    host.scores(&json!({}));
}

#[test]
#[should_panic(expected = "filter of {\"a\"}")]
fn answers_that_depend_on_the_set_are_found() {
    let mut host = host();
    host.configure(&json!({"bad": true})).unwrap();
    host.assert_sound(&json!({}));
}

#[test]
#[should_panic(expected = "filter of a fresh instance")]
fn answers_that_depend_on_the_way_are_found() {
    let mut host = host();
    host.configure(&json!({"forgetful": true})).unwrap();
    host.node(node("d", "red")).remove_node("d");
    host.assert_sound(&json!({}));
}

#[test]
#[should_panic(expected = "no node \"z\"")]
fn pods_need_their_node() {
    host().pod(json!({"metadata": {"name": "p"}, "spec": {"nodeName": "z"}}));
}
