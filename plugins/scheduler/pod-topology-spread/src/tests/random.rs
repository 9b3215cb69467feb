//! Random clusters that change at random: the answers are those of [`super::naive`].

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::scheduler::{Delta, Policy, Rejection};
use orch_sdk::topology::random::{self, Dice, Naive, Placed};
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::naive::Cluster;
use crate::PodTopologySpread;

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const NAMESPACES: [&str; 2] = ["default", "other"];

impl Naive for Cluster {
    type Policy = PodTopologySpread;
    /// Whether eviction could not help.
    type Ruling = bool;

    fn placed(&mut self) -> &mut Placed {
        &mut self.placed
    }

    fn draw_node(dice: &mut Dice<'_>, index: usize, size: usize) -> Value {
        let mut labels = json!({"disk": dice.pick(&["ssd", "hdd"]), "rack": format!("r{}", dice.roll(size))});
        if !dice.one_in(4) {
            labels[ZONE] = (*dice.pick(&["z0", "z1", "z2", ""])).into();
        }
        if !dice.one_in(6) {
            labels[HOSTNAME] = format!("h{}", if dice.one_in(8) { 0 } else { index }).into();
        }
        let taints = *dice.pick(&["NoSchedule", "PreferNoSchedule", "", ""]);
        let taints = if taints.is_empty() { json!([]) } else { json!([{"key": "gpu", "effect": taints}]) };
        json!({"metadata": {"name": format!("n{index}"), "labels": labels}, "spec": {"taints": taints}})
    }

    fn draw_pod(dice: &mut Dice<'_>, uid: &str) -> Value {
        let labels = labels(dice);
        let mut pod = json!({"metadata": {"name": uid, "uid": uid, "namespace": dice.pick(&NAMESPACES), "labels": labels}});
        if dice.one_in(8) {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        pod
    }

    fn draw_question(dice: &mut Dice<'_>) -> Value {
        let labels = labels(dice);
        let mut pod = json!({"metadata": {"name": "p", "uid": "p", "namespace": dice.pick(&NAMESPACES), "labels": labels}});
        if dice.one_in(3) {
            let name = *dice.pick(&["x", "y"]);
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": true}]);
        }
        let constraints: Vec<Value> = (0..dice.roll(4)).map(|_| constraint(dice)).collect();
        pod["spec"] = json!({"topologySpreadConstraints": constraints});
        if dice.one_in(3) {
            pod["spec"]["nodeSelector"] = json!({"disk": "ssd"});
        }
        if dice.one_in(3) {
            pod["spec"]["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        }
        pod
    }

    /// A Service or a controller.
    fn change_object(&mut self, dice: &mut Dice<'_>, policy: &mut PodTopologySpread) {
        let (api_version, kind) = *dice.pick(&[("v1", "Service"), ("apps/v1", "ReplicaSet")]);
        let (namespace, name) = (*dice.pick(&NAMESPACES), *dice.pick(&["x", "y"]));
        let labels = labels(dice);
        let selector = if kind == "Service" { labels } else { json!({"matchLabels": labels}) };
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
        let key = (kind.to_string(), namespace.to_string(), name.to_string());
        if dice.one_in(3) {
            self.objects.remove(&key);
            policy.sync(Delta::ObjectRemove { identity: object.to_string() }).unwrap();
        } else {
            object["spec"] = json!({"selector": selector});
            policy.sync(Delta::ObjectUpsert { object: object.to_string() }).unwrap();
            self.objects.insert(key, object);
        }
    }

    fn filter(&self, pod: &Value) -> BTreeMap<usize, bool> {
        self.filter(pod)
    }

    fn score(&self, pod: &Value, nodes: &BTreeSet<usize>) -> Vec<u32> {
        self.score(pod, nodes)
    }

    fn ruling(rejection: &Rejection) -> bool {
        rejection.unresolvable
    }
}

fn labels(dice: &mut Dice<'_>) -> Value {
    let mut labels = json!({"app": dice.pick(&["web", "db"])});
    if dice.one_in(2) {
        labels["tier"] = (*dice.pick(&["a", "b", "c"])).into();
    }
    labels
}

fn constraint(dice: &mut Dice<'_>) -> Value {
    let mut constraint = json!({
        "maxSkew": 1 + dice.roll(3),
        "topologyKey": dice.pick(&[ZONE, HOSTNAME, "rack"]),
        "whenUnsatisfiable": dice.pick(&["DoNotSchedule", "ScheduleAnyway"]),
    });
    match dice.roll(6) {
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
        _ => constraint["labelSelector"] = json!({"matchLabels": labels(dice)}),
    }
    if dice.one_in(3) {
        constraint["minDomains"] = (1 + dice.roll(4)).into();
    }
    if dice.one_in(3) {
        constraint["matchLabelKeys"] = json!(["tier"]);
    }
    for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if dice.one_in(2) {
            constraint[policy] = (*dice.pick(&["Honor", "Ignore"])).into();
        }
    }
    constraint
}

fn play(tape: &[u16], size: usize, defaults: Option<Vec<Value>>) {
    let mut policy = PodTopologySpread::default();
    let config = match &defaults {
        Some(list) => json!({"defaultingType": "List", "defaultConstraints": list}),
        None => json!({}),
    };
    policy.configure(&config).unwrap();
    let cluster = Cluster { defaults, ..Cluster::default() };
    random::play(tape, size, policy, cluster);
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
