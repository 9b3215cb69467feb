//! Random clusters that change at random: the answers are those of [`super::naive`].

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::scheduler::{Delta, Policy, Rejection};
use orch_sdk::topology::random::{self, Dice, Naive, Placed};
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::configured;
use super::naive::Cluster;
use crate::InterPodAffinity;

const NAMESPACES: [&str; 3] = ["default", "other", "third"];
const KINDS: [&str; 2] = ["podAffinity", "podAntiAffinity"];

impl Naive for Cluster {
    type Policy = InterPodAffinity;
    /// The reason, and whether eviction could not help.
    type Ruling = (String, bool);

    fn placed(&mut self) -> &mut Placed {
        &mut self.placed
    }

    fn draw_node(dice: &mut Dice<'_>, index: usize, _size: usize) -> Value {
        let mut labels = json!({});
        if !dice.one_in(6) {
            labels["host"] = format!("h{}", if dice.one_in(8) { 0 } else { index }).into();
        }
        if !dice.one_in(4) {
            labels["zone"] = (*dice.pick(&["z0", "z1", "z2", ""])).into();
        }
        json!({"metadata": {"name": format!("n{index}"), "labels": labels}})
    }

    fn draw_pod(dice: &mut Dice<'_>, uid: &str) -> Value {
        let mut pod = Self::draw_question(dice);
        pod["metadata"]["uid"] = uid.into();
        pod
    }

    fn draw_question(dice: &mut Dice<'_>) -> Value {
        let labels = labels(dice);
        let mut affinity = json!({});
        for kind in KINDS {
            let required: Vec<Value> = (0..dice.roll(3)).map(|_| term(dice)).collect();
            let weighted =
                |dice: &mut Dice<'_>| json!({"weight": 1 + dice.roll(100), "podAffinityTerm": term(dice)});
            let preferred: Vec<Value> = (0..dice.roll(3)).map(|_| weighted(dice)).collect();
            if dice.one_in(2) {
                affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"] = required.into();
            }
            if dice.one_in(2) {
                affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"] = preferred.into();
            }
        }
        json!({"metadata": {"name": "p", "namespace": dice.pick(&NAMESPACES), "labels": labels},
            "spec": {"affinity": affinity}})
    }

    /// A namespace's labels.
    fn change_object(&mut self, dice: &mut Dice<'_>, policy: &mut InterPodAffinity) {
        let name = *dice.pick(&NAMESPACES);
        let labels = json!({"team": dice.pick(&["x", "y"])});
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        policy.sync(Delta::ObjectUpsert { object: namespace.to_string() }).unwrap();
        self.namespaces.insert(name.into(), labels);
    }

    fn filter(&self, pod: &Value) -> BTreeMap<usize, (String, bool)> {
        self.filter(pod)
    }

    fn score(&self, pod: &Value, nodes: &BTreeSet<usize>) -> Vec<u32> {
        self.score(pod, nodes)
    }

    fn ruling(rejection: &Rejection) -> (String, bool) {
        (rejection.reason.clone(), rejection.unresolvable)
    }
}

fn labels(dice: &mut Dice<'_>) -> Value {
    let mut labels = json!({"app": dice.pick(&["web", "db"])});
    if dice.one_in(2) {
        labels["tier"] = (*dice.pick(&["a", "b"])).into();
    }
    labels
}

fn term(dice: &mut Dice<'_>) -> Value {
    let mut term = json!({"topologyKey": dice.pick(&["zone", "host"])});
    match dice.roll(8) {
        0 => {}
        1 => term["labelSelector"] = json!({}),
        2 => term["labelSelector"] = json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        3 => {
            let apps = ["web", "none"];
            term["labelSelector"] =
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": apps}]});
        }
        _ => term["labelSelector"] = json!({"matchLabels": labels(dice)}),
    }
    match dice.roll(6) {
        0 => term["namespaces"] = json!([dice.pick(&NAMESPACES)]),
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

fn play(tape: &[u16], size: usize, hard_weight: i64, ignores_preferred: bool) {
    let policy = configured(json!({
        "hardPodAffinityWeight": hard_weight, "ignorePreferredTermsOfExistingPods": ignores_preferred,
    }));
    let cluster = Cluster { hard_weight, ignores_preferred, ..Cluster::default() };
    random::play(tape, size, policy, cluster);
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
