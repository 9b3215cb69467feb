//! Random clusters that change at random: the answers are those of [`super::naive`].

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::scheduler::{Delta, NodeSet, Policy};
use orch_sdk::topology::random::Dice;
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::naive::Cluster;
use super::{configured, rejections, scores};
use crate::InterPodAffinity;

const NAMESPACES: [&str; 3] = ["default", "other", "third"];
const KINDS: [&str; 2] = ["podAffinity", "podAntiAffinity"];

struct World<'a> {
    dice: Dice<'a>,
    /// Indexes that nodes may have.
    size: usize,
    cluster: Cluster,
    policy: InterPodAffinity,
    /// Asked again when the cluster has changed.
    asked: Vec<Value>,
}

impl World<'_> {
    fn step(&mut self) {
        match self.dice.roll(12) {
            0 | 1 => self.upsert_node(),
            2 => self.remove_node(),
            3..=6 => self.upsert_pod(),
            7 => self.remove_pod(),
            8 => self.change_namespace(),
            _ => self.ask(),
        }
    }

    fn labels(&mut self) -> Value {
        let mut labels = json!({"app": self.dice.pick(&["web", "db"])});
        if self.dice.one_in(2) {
            labels["tier"] = (*self.dice.pick(&["a", "b"])).into();
        }
        labels
    }

    fn upsert_node(&mut self) {
        let index = self.dice.roll(self.size);
        let mut labels = json!({});
        if !self.dice.one_in(6) {
            labels["host"] = format!("h{}", if self.dice.one_in(8) { 0 } else { index }).into();
        }
        if !self.dice.one_in(4) {
            labels["zone"] = (*self.dice.pick(&["z0", "z1", "z2", ""])).into();
        }
        let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}});
        self.policy.sync(Delta::NodeUpsert { index, node: node.to_string() }).unwrap();
        self.cluster.nodes.insert(index, node);
    }

    fn remove_node(&mut self) {
        let index = self.dice.roll(self.size);
        if self.cluster.nodes.remove(&index).is_some() {
            self.policy.sync(Delta::NodeRemove { index }).unwrap();
        }
    }

    fn upsert_pod(&mut self) {
        let uid = format!("u{}", self.dice.roll(3 * self.size));
        let node = self.dice.roll(self.size);
        let mut pod = self.pod();
        pod["metadata"]["uid"] = uid.clone().into();
        self.policy.sync(Delta::PodUpsert { key: uid.clone(), node, pod: pod.to_string() }).unwrap();
        self.cluster.pods.insert(uid, (node, pod));
    }

    fn remove_pod(&mut self) {
        let uid = format!("u{}", self.dice.roll(3 * self.size));
        self.cluster.pods.remove(&uid);
        self.policy.sync(Delta::PodRemove { key: uid }).unwrap();
    }

    fn change_namespace(&mut self) {
        let name = *self.dice.pick(&NAMESPACES);
        let labels = json!({"team": self.dice.pick(&["x", "y"])});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.policy.sync(Delta::ObjectUpsert { object: namespace.to_string() }).unwrap();
        self.cluster.namespaces.insert(name.into(), labels);
    }

    fn pod(&mut self) -> Value {
        let labels = self.labels();
        let mut affinity = json!({});
        for kind in KINDS {
            let required: Vec<Value> = (0..self.dice.roll(3)).map(|_| self.term()).collect();
            let weighted = |world: &mut Self| json!({"weight": 1 + world.dice.roll(100), "podAffinityTerm": world.term()});
            let preferred: Vec<Value> = (0..self.dice.roll(3)).map(|_| weighted(self)).collect();
            if self.dice.one_in(2) {
                affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"] = required.into();
            }
            if self.dice.one_in(2) {
                affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"] = preferred.into();
            }
        }
        json!({"metadata": {"name": "p", "namespace": self.dice.pick(&NAMESPACES), "labels": labels},
            "spec": {"affinity": affinity}})
    }

    fn term(&mut self) -> Value {
        let mut term = json!({"topologyKey": self.dice.pick(&["zone", "host"])});
        match self.dice.roll(8) {
            0 => {}
            1 => term["labelSelector"] = json!({}),
            2 => term["labelSelector"] = json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            3 => {
                let apps = ["web", "none"];
                term["labelSelector"] =
                    json!({"matchExpressions": [{"key": "app", "operator": "In", "values": apps}]});
            }
            _ => term["labelSelector"] = json!({"matchLabels": self.labels()}),
        }
        match self.dice.roll(6) {
            0 => term["namespaces"] = json!([self.dice.pick(&NAMESPACES)]),
            1 => term["namespaceSelector"] = json!({}),
            2 => term["namespaceSelector"] = json!({"matchLabels": {"team": "x"}}),
            3 => {
                term["namespaces"] = json!(["other"]);
                term["namespaceSelector"] =
                    json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["y"]}]});
            }
            _ => {}
        }
        term
    }

    fn ask(&mut self) {
        let again = !self.asked.is_empty() && !self.dice.one_in(3);
        let pod = if again { self.dice.pick(&self.asked).clone() } else { self.pod() };
        self.asked.push(pod.clone());
        let nodes: BTreeSet<usize> = self.cluster.nodes.keys().copied().collect();
        let keep = 1 + self.dice.roll(3);
        let some: BTreeSet<usize> = nodes.iter().copied().filter(|node| node % 3 < keep).collect();
        let expected = self.cluster.filter(&pod);
        for asked in [nodes, some] {
            let set: NodeSet = asked.iter().copied().collect();
            let here: BTreeMap<_, _> = expected
                .iter()
                .filter(|(node, _)| asked.contains(node))
                .map(|(node, (reason, unresolvable))| (*node, (reason.to_string(), *unresolvable)))
                .collect();
            assert_eq!(self.filter(&pod, &set), here, "filter {pod:#}");
            let scores = scores(&mut self.policy, &pod, &set);
            assert_eq!(scores, self.cluster.score(&pod, &asked), "score {pod:#} on {asked:?}");
        }
    }

    fn filter(&mut self, pod: &Value, nodes: &NodeSet) -> BTreeMap<usize, (String, bool)> {
        let mut found = BTreeMap::new();
        for rejection in rejections(&mut self.policy, pod, nodes) {
            for node in rejection.nodes.iter() {
                let known = found.insert(node, (rejection.reason.clone(), rejection.unresolvable));
                assert_eq!(known, None, "a node is ruled out once");
            }
        }
        found
    }
}

fn play(tape: &[u16], size: usize, hard_weight: i64, ignores_preferred: bool) {
    let policy = configured(json!({
        "hardPodAffinityWeight": hard_weight, "ignorePreferredTermsOfExistingPods": ignores_preferred,
    }));
    let cluster = Cluster { hard_weight, ignores_preferred, ..Cluster::default() };
    let mut world = World { dice: Dice::new(tape), size, cluster, policy, asked: Vec::new() };
    (0..size).for_each(|_| world.upsert_node());
    while !world.dice.is_over() {
        world.step();
    }
    world.ask();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_clusters_are_judged_as_by_hand(tape in prop::collection::vec(any::<u16>(), 100..2000)) {
        play(&tape, 6, 1, false);
    }

    #[test]
    fn other_configurations_are_judged_as_by_hand(
        tape in prop::collection::vec(any::<u16>(), 100..1000), weight in 0_i64..5, ignores: bool,
    ) {
        play(&tape, 4, weight, ignores);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// More domains of a key than are kept as sets.
    #[test]
    fn clusters_of_many_domains_are_judged_as_by_hand(tape in prop::collection::vec(any::<u16>(), 1500..3000)) {
        play(&tape, 120, 1, false);
    }
}
