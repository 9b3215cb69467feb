use super::*;
use orch_plugin::calls::scheduler::{Delta, Description, Points, Scope};
use orch_plugin::calls::{Interest, NodeSet};
use serde_json::json;

/// Prefers nodes by their index, forwards or backwards.
struct ByIndex {
    description: Description,
    backwards: bool,
}

impl ByIndex {
    fn plugin(backwards: bool) -> Installed {
        let interests = vec![Interest {
            api_version: "v1".into(),
            kind: "Node".into(),
            fields: vec!["status.allocatable".into()],
        }];
        let points = Points { filter: true, score: true, ..Points::default() };
        let description =
            Description { points, interests, score_scope: Scope::Node, ..Description::default() };
        ("order".into(), Arc::new(ByIndex { description, backwards }), Settings::default())
    }
}

impl SchedulerPlugin for ByIndex {
    fn name(&self) -> &str {
        "order"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn instance(&self) -> u64 {
        1
    }
    fn sync(&self, _: &[Delta]) -> Result<(), CallError> {
        Ok(())
    }
    fn score(&self, _: &str, nodes: &NodeSet) -> Result<Vec<u32>, CallError> {
        let score = |index: u32| if self.backwards { index } else { 100 - index };
        Ok(crate::nodeset::indexes(nodes).map(score).collect())
    }
}

fn trace() -> Vec<Entry> {
    let node = |name: &str| {
        Entry::Node(json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4"}}}))
    };
    let pod = |name: &str| {
        json!({
            "metadata": {"name": name, "namespace": "default", "uid": name},
            "spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]},
        })
    };
    let asked = |name: &str, node: &str| {
        Entry::Asked(Asked {
            pod: pod(name),
            node: Some(node.into()),
            message: None,
            preemption: None,
            nanoseconds: 1,
        })
    };
    let placed = |name: &str, node: &str| Entry::Pod { pod: pod(name), node: node.into() };
    vec![
        node("a"),
        node("b"),
        asked("p", "a"),
        placed("p", "a"),
        asked("q", "b"),
        placed("q", "b"),
        Entry::PodGone("q".into()),
    ]
}

#[test]
fn differing_decisions_are_found() {
    let (decisions, differing) = compare(&trace(), vec![ByIndex::plugin(false)]).unwrap();
    let expected = Differing { pod: "default/q".into(), was: "b".into(), would_be: "a".into() };
    assert_eq!((decisions, differing), (2, vec![expected]));
}

#[test]
fn a_policy_fills_a_cluster_of_its_own() {
    let outcome = simulate(&trace(), vec![ByIndex::plugin(true)]);
    assert_eq!((outcome.placed, outcome.unschedulable, outcome.nodes), (2, 0, 2));
    assert_eq!(outcome.empty_nodes, 1, "both went to the last node");
    assert_eq!(outcome.utilisation["cpu"], 1.0 / 8.0);
    assert_eq!(outcome.times.len(), 2);
}

#[test]
fn a_trace_is_read_as_it_is_written() {
    let room = Preemption { node: "a".into(), victims: vec!["v".into()] };
    let component = Entry::Component { digest: "sha256:d".into(), wasm: "AA==".into() };
    let (pod, message) = (json!({}), Some("no".into()));
    let evicts = Asked { pod, node: None, message, preemption: Some(room), nanoseconds: 1 };
    for entry in trace().into_iter().chain([component, Entry::Asked(evicts)]) {
        let line = serde_json::to_string(&entry).unwrap();
        let read: Entry = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}
