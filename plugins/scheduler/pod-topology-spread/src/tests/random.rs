//! Random clusters that change at random: the answers are those of [`super::naive`].

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::object::Object;
use orch_sdk::scheduler::{Delta, NodeSet, Policy};
use orch_sdk::topology::random::Dice;
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::naive::{Cluster, text};
use super::{rejections, scores};
use crate::PodTopologySpread;

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const NAMESPACES: [&str; 2] = ["default", "other"];

struct World<'a> {
    dice: Dice<'a>,
    /// Indexes that nodes may have.
    size: usize,
    cluster: Cluster,
    policy: PodTopologySpread,
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
            8 => self.change_object(),
            9..=11 => self.ask(),
            _ => unreachable!("a die of twelve sides"),
        }
    }

    fn labels(&mut self) -> Value {
        let mut labels = json!({"app": self.dice.pick(&["web", "db"])});
        if self.dice.one_in(2) {
            labels["tier"] = (*self.dice.pick(&["a", "b", "c"])).into();
        }
        labels
    }

    fn upsert_node(&mut self) {
        let index = self.dice.roll(self.size);
        let mut labels = json!({"disk": self.dice.pick(&["ssd", "hdd"]), "rack": format!("r{}", self.dice.roll(self.size))});
        if !self.dice.one_in(4) {
            labels[ZONE] = (*self.dice.pick(&["z0", "z1", "z2", ""])).into();
        }
        if !self.dice.one_in(6) {
            labels[HOSTNAME] = format!("h{}", if self.dice.one_in(8) { 0 } else { index }).into();
        }
        let taints = *self.dice.pick(&["NoSchedule", "PreferNoSchedule", "", ""]);
        let taints = if taints.is_empty() { json!([]) } else { json!([{"key": "gpu", "effect": taints}]) };
        let node =
            json!({"metadata": {"name": format!("n{index}"), "labels": labels}, "spec": {"taints": taints}});
        self.policy.sync(Delta::NodeUpsert { index, node: text(&node) }).unwrap();
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
        let (node, labels) = (self.dice.roll(self.size), self.labels());
        let mut pod = json!({"metadata": {"name": uid, "uid": uid, "namespace": self.dice.pick(&NAMESPACES), "labels": labels}});
        if self.dice.one_in(8) {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        self.policy.sync(Delta::PodUpsert { key: uid.clone(), node, pod: text(&pod) }).unwrap();
        self.cluster.pods.insert(uid, (node, pod));
    }

    fn remove_pod(&mut self) {
        let uid = format!("u{}", self.dice.roll(3 * self.size));
        self.cluster.pods.remove(&uid);
        self.policy.sync(Delta::PodRemove { key: uid }).unwrap();
    }

    fn change_object(&mut self) {
        let (api_version, kind) = *self.dice.pick(&[("v1", "Service"), ("apps/v1", "ReplicaSet")]);
        let (namespace, name) = (*self.dice.pick(&NAMESPACES), *self.dice.pick(&["x", "y"]));
        let labels = self.labels();
        let selector = if kind == "Service" { labels } else { json!({"matchLabels": labels}) };
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        let key = (kind.to_string(), namespace.to_string(), name.to_string());
        if self.dice.one_in(3) {
            self.cluster.objects.remove(&key);
            self.policy.sync(Delta::ObjectRemove { identity: text(&object) }).unwrap();
        } else {
            object["spec"] = json!({"selector": selector});
            self.policy.sync(Delta::ObjectUpsert { object: text(&object) }).unwrap();
            self.cluster.objects.insert(key, object);
        }
    }

    fn constraint(&mut self) -> Value {
        let mut constraint = json!({
            "maxSkew": 1 + self.dice.roll(3),
            "topologyKey": self.dice.pick(&[ZONE, HOSTNAME, "rack"]),
            "whenUnsatisfiable": self.dice.pick(&["DoNotSchedule", "ScheduleAnyway"]),
        });
        match self.dice.roll(6) {
            0 => {}
            1 => constraint["labelSelector"] = json!({}),
            2 => {
                constraint["labelSelector"] =
                    json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]})
            }
            3 => {
                let values = ["a", "c"];
                constraint["labelSelector"] =
                    json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": values}]});
            }
            _ => constraint["labelSelector"] = json!({"matchLabels": self.labels()}),
        }
        if self.dice.one_in(3) {
            constraint["minDomains"] = (1 + self.dice.roll(4)).into();
        }
        if self.dice.one_in(3) {
            constraint["matchLabelKeys"] = json!(["tier"]);
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if self.dice.one_in(2) {
                constraint[policy] = (*self.dice.pick(&["Honor", "Ignore"])).into();
            }
        }
        constraint
    }

    fn question(&mut self) -> Value {
        let labels = self.labels();
        let mut pod = json!({"metadata": {"name": "p", "uid": "p", "namespace": self.dice.pick(&NAMESPACES), "labels": labels}});
        if self.dice.one_in(3) {
            let name = *self.dice.pick(&["x", "y"]);
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": true}]);
        }
        let constraints: Vec<Value> = (0..self.dice.roll(4)).map(|_| self.constraint()).collect();
        pod["spec"] = json!({"topologySpreadConstraints": constraints});
        if self.dice.one_in(3) {
            pod["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        }
        if self.dice.one_in(3) {
            pod["spec"]["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        }
        pod
    }

    fn ask(&mut self) {
        let again = !self.asked.is_empty() && !self.dice.one_in(3);
        let pod = if again { self.dice.pick(&self.asked).clone() } else { self.question() };
        self.asked.push(pod.clone());
        let nodes: BTreeSet<usize> = self.cluster.nodes.keys().copied().collect();
        let keep = 1 + self.dice.roll(3);
        let some: BTreeSet<usize> = nodes.iter().copied().filter(|node| node % 3 < keep).collect();
        let expected = self.cluster.filter(&pod);
        for asked in [nodes, some] {
            let set: NodeSet = asked.iter().copied().collect();
            let here: BTreeMap<usize, bool> = expected
                .iter()
                .filter(|(node, _)| asked.contains(node))
                .map(|(node, flag)| (*node, *flag))
                .collect();
            assert_eq!(self.filter(&text(&pod), &set), here, "filter {pod:#}");
            let scores = scores(&mut self.policy, &text(&pod), &set);
            assert_eq!(scores, self.cluster.score(&pod, &asked), "score {pod:#} on {asked:?}");
        }
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> BTreeMap<usize, bool> {
        let mut found = BTreeMap::new();
        for rejection in rejections(&mut self.policy, pod, nodes) {
            for node in rejection.nodes.iter() {
                assert_eq!(found.insert(node, rejection.unresolvable), None, "a node is ruled out once");
            }
        }
        found
    }
}

fn play(tape: &[u16], size: usize, defaults: Option<Vec<Value>>) {
    let mut policy = PodTopologySpread::default();
    let config = match &defaults {
        Some(list) => json!({"defaultingType": "List", "defaultConstraints": list}),
        None => json!({}),
    };
    policy.configure(&config).unwrap();
    let cluster = Cluster { defaults, ..Cluster::default() };
    let mut world = World { dice: Dice::new(tape), size, cluster, policy, asked: Vec::new() };
    (0..size).for_each(|_| world.upsert_node());
    while !world.dice.is_over() {
        world.step();
    }
    world.ask();
    assert!(world.cluster.pods.values().all(|(_, pod)| !pod.uid().is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_clusters_are_judged_as_by_hand(tape in prop::collection::vec(any::<u16>(), 100..1200)) {
        play(&tape, 6, None);
    }

    #[test]
    fn listed_defaults_are_judged_as_by_hand(tape in prop::collection::vec(any::<u16>(), 100..800)) {
        let listed = |key: &str, action: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": action});
        play(&tape, 5, Some(vec![listed(ZONE, "DoNotSchedule"), listed(HOSTNAME, "ScheduleAnyway"), listed("rack", "ScheduleAnyway")]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// More domains of a key than are kept as sets.
    #[test]
    fn clusters_of_many_domains_are_judged_as_by_hand(tape in prop::collection::vec(any::<u16>(), 1500..2500)) {
        play(&tape, 150, None);
    }
}
