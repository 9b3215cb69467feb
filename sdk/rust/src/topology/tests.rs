use serde_json::json;

use super::*;
use crate::selector::{Requirement, Selector};

fn node(zone: &str) -> Node {
    Node::parse(&json!({"metadata": {"name": zone, "labels": {"zone": zone}}}).to_string()).unwrap()
}

fn told(zones: &[&str]) -> Topology {
    let mut topology = Topology::default();
    zones.iter().enumerate().for_each(|(index, zone)| topology.upsert_node(index, node(zone)));
    topology
}

fn pod(topology: &mut Topology, uid: &str, node: usize, app: &str, marks: &[(Mark, i32)]) {
    let read = || {
        let group = Group::new("default", [("app".to_string(), app.to_string())].into());
        Ok::<_, String>(group.with_marks(marks.to_vec()))
    };
    topology.upsert_pod(uid, node, &format!("{app} {marks:?}"), read).unwrap();
}

fn web() -> Choice {
    let mut selector = Selector::default();
    selector.require(Requirement::equal("app", "web"));
    Choice::Matching(vec![Clause { namespaces: Namespaces::one("default"), selector }])
}

fn by_zone(topology: &mut Topology, choice: Choice) -> CounterId {
    let (selection, key) = (topology.select(choice), topology.key("zone"));
    let eligible = topology.eligible(Rule::labelled("zone"));
    topology.count_by(selection, key, eligible)
}

/// Counts of the domains in the order in which they appeared.
fn counts(topology: &Topology, counter: CounterId) -> &[i32] {
    &topology.read(counter).counts[1..]
}

#[test]
fn counts_follow_pods_and_nodes() {
    let mut topology = told(&["a", "b", "b"]);
    pod(&mut topology, "1", 0, "web", &[]);
    let counter = by_zone(&mut topology, web());
    assert_eq!(counts(&topology, counter), [1, 0]);
    pod(&mut topology, "2", 1, "web", &[]);
    pod(&mut topology, "3", 2, "db", &[]);
    assert_eq!(counts(&topology, counter), [1, 1]);
    pod(&mut topology, "3", 2, "web", &[]);
    pod(&mut topology, "1", 2, "web", &[]);
    assert_eq!(counts(&topology, counter), [0, 3]);
    topology.upsert_node(2, node("c"));
    assert_eq!(counts(&topology, counter), [0, 1, 2]);
    assert_eq!((topology.read(counter).domains, topology.read(counter).least()), (3, Some(0)));
    topology.remove_node(0);
    topology.remove_pod("2");
    assert_eq!(topology.read(counter).least(), Some(0));
    topology.remove_pod("none");
    assert_eq!((counts(&topology, counter), topology.read(counter).domains), (&[0, 0, 2][..], 2));
    let selection = topology.select(web());
    assert_eq!(topology.on_nodes(selection), [0, 0, 2]);
}

#[test]
fn a_pod_waits_for_its_node() {
    let mut topology = told(&["a"]);
    let counter = by_zone(&mut topology, web());
    pod(&mut topology, "1", 7, "web", &[]);
    assert_eq!(counts(&topology, counter), [0]);
    topology.upsert_node(7, node("z"));
    assert_eq!(counts(&topology, counter), [0, 1]);
}

#[test]
fn marks_count_with_their_weight_and_are_released_with_the_last_pod() {
    let mut topology = told(&["a", "b"]);
    pod(&mut topology, "1", 0, "web", &[(5, 10), (6, -3)]);
    pod(&mut topology, "2", 1, "web", &[(6, 1)]);
    let counter = by_zone(&mut topology, Choice::Carrying(vec![(5, 1), (6, 2)]));
    assert_eq!(counts(&topology, counter), [4, 2]);
    pod(&mut topology, "3", 1, "web", &[(5, 10), (6, -3)]);
    assert_eq!(counts(&topology, counter), [4, 6]);
    topology.remove_pod("1");
    assert!(topology.take_released().is_empty());
    topology.remove_pod("3");
    assert_eq!(topology.take_released(), [(5, 10), (6, -3)]);
    assert_eq!(counts(&topology, counter), [0, 2]);
}

#[test]
fn domains_without_nodes_are_used_again() {
    let mut topology = told(&["a"]);
    let counter = by_zone(&mut topology, web());
    pod(&mut topology, "1", 0, "web", &[]);
    for round in 0..100 {
        topology.upsert_node(0, node(&format!("zone-{round}")));
        assert_eq!(topology.read(counter).counts.iter().sum::<i32>(), 1);
    }
    assert!(topology.read(counter).key.domains() <= 3);
}

#[test]
fn too_many_counts_are_forgotten_and_made_again() {
    let mut topology = told(&["a", "b"]);
    pod(&mut topology, "1", 1, "web", &[]);
    by_zone(&mut topology, web());
    for number in 0..=MAX_SELECTIONS as u32 {
        by_zone(&mut topology, Choice::Carrying(vec![(number, 1)]));
    }
    assert_eq!(topology.epoch(), 0);
    topology.trim();
    assert_eq!((topology.epoch(), topology.selections.len(), topology.keys.len()), (1, 0, 1));
    let counter = by_zone(&mut topology, web());
    assert_eq!(counts(&topology, counter), [0, 1]);
    for number in 0..=MAX_KEYS {
        topology.key(&format!("key-{number}"));
    }
    topology.trim();
    assert_eq!((topology.epoch(), topology.keys.len(), topology.eligibles.len()), (2, 0, 0));
    pod(&mut topology, "2", 1, "web", &[]);
    let counter = by_zone(&mut topology, web());
    assert_eq!(counts(&topology, counter), [0, 2]);
}

#[test]
fn a_group_that_cannot_be_read_changes_nothing() {
    let mut topology = told(&["a"]);
    let fault = topology.upsert_pod("1", 0, "text", || Err::<Group, _>("broken"));
    assert_eq!(fault, Err("broken"));
    pod(&mut topology, "1", 0, "web", &[]);
    let counter = by_zone(&mut topology, web());
    assert_eq!(counts(&topology, counter), [1]);
}
