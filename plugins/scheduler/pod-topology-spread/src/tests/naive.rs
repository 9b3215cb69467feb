//! The same questions answered by looking at every node and every pod each time.

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::Value;
use orch_sdk::object::Object;
use orch_sdk::selector::{Requirement, Selector};
use orch_sdk::serde::Deserialize;
use orch_sdk::toleration::{Taint, Toleration};
use orch_sdk::topology::random::Placed;

const HOSTNAME: &str = "kubernetes.io/hostname";

#[derive(Default)]
pub struct Cluster {
    pub placed: Placed,
    /// Services and controllers by kind, namespace and name.
    pub objects: BTreeMap<(String, String, String), Value>,
    /// `None`: upstream's.
    pub defaults: Option<Vec<Value>>,
}

fn matches(constraint: &Value, labels: &Value) -> bool {
    selector(constraint, labels).is_some_and(|selector| selector.matches(labels))
}

/// For the labels of the pod asked about.
fn selector(constraint: &Value, labels: &Value) -> Option<Selector> {
    let written = constraint.get("labelSelector").filter(|selector| !selector.is_null())?;
    let mut selector = Selector::from_label_selector(written).unwrap();
    for key in constraint.items(&["matchLabelKeys"]).iter().filter_map(Value::as_str) {
        if let Some(value) = labels.get(key).and_then(Value::as_str) {
            selector.require(Requirement::equal(key, value));
        }
    }
    Some(selector)
}

impl Cluster {
    /// The pod's constraints of this kind; whether they are upstream's defaults.
    fn constraints(&self, pod: &Value, action: &str) -> (Vec<Value>, bool) {
        let own = pod.items(&["spec", "topologySpreadConstraints"]);
        let of_action = |list: Vec<Value>| {
            list.into_iter()
                .filter(|constraint| constraint["whenUnsatisfiable"] == action)
                .collect::<Vec<_>>()
        };
        if !own.is_empty() {
            return (of_action(own.to_vec()), false);
        }
        let system = || {
            let soft = |key: &str, skew: i64| orch_sdk::json!({"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": "ScheduleAnyway"});
            vec![soft(HOSTNAME, 3), soft("topology.kubernetes.io/zone", 5)]
        };
        let list = self.defaults.clone().unwrap_or_else(system);
        let selector = self.default_selector(pod);
        if selector.is_empty() {
            return (Vec::new(), self.defaults.is_none());
        }
        let with_selector = |mut constraint: Value| {
            constraint["labelSelector"] = orch_sdk::json!({"matchExpressions": selector});
            constraint
        };
        (of_action(list).into_iter().map(with_selector).collect(), self.defaults.is_none())
    }

    /// As expressions that must hold together. Only `matchLabels` are used in these tests.
    fn default_selector(&self, pod: &Value) -> Vec<Value> {
        let mut all = Vec::new();
        for ((kind, namespace, name), object) in &self.objects {
            let (path, of_service): (&[&str], _) = match kind.as_str() {
                "Service" => (&["spec", "selector"], true),
                _ => (&["spec", "selector", "matchLabels"], false),
            };
            let chosen = object.at(path).as_object().cloned().unwrap_or_default();
            let belongs = if of_service {
                let labels = pod.at(&["metadata", "labels"]);
                chosen.iter().all(|(key, value)| labels.get(key) == Some(value))
            } else {
                pod.controller().is_some_and(|owner| owner.kind == kind && owner.name == name)
            };
            if belongs && namespace == pod.namespace() {
                let expression =
                    |(key, value)| orch_sdk::json!({"key": key, "operator": "In", "values": [value]});
                all.extend(chosen.into_iter().map(expression));
            }
        }
        all
    }

    fn counted(constraint: &Value, pod: &Value, node: &Value) -> bool {
        let policy = |name: &str, default: &str| {
            constraint.get(name).and_then(Value::as_str).unwrap_or(default) == "Honor"
        };
        let labels = node.at(&["metadata", "labels"]);
        if policy("nodeAffinityPolicy", "Honor") {
            let wanted = pod.at(&["spec", "nodeSelector"]);
            if !Selector::from_labels(wanted).matches(labels) {
                return false;
            }
        }
        let tolerations =
            Vec::<Toleration>::deserialize(pod.at(&["spec", "tolerations"])).unwrap_or_default();
        let taints = Vec::<Taint>::deserialize(node.at(&["spec", "taints"])).unwrap_or_default();
        let bears = |taint: &Taint| {
            taint.effect == "PreferNoSchedule"
                || tolerations.iter().any(|toleration| toleration.tolerates(taint))
        };
        !policy("nodeTaintsPolicy", "Ignore") || taints.iter().all(bears)
    }

    fn pods_on(&self, index: usize, constraint: &Value, pod: &Value) -> i64 {
        let Some(selector) = selector(constraint, pod.at(&["metadata", "labels"])) else { return 0 };
        if selector.is_empty() {
            return 0;
        }
        let counts = |other: &&(usize, Value)| {
            other.0 == index
                && other.1.namespace() == pod.namespace()
                && !other.1.is_being_deleted()
                && selector.matches(other.1.at(&["metadata", "labels"]))
        };
        self.placed.pods.values().filter(counts).count() as i64
    }

    /// Matching pods by value of the key, over nodes that have all keys and are counted.
    fn domains(&self, constraint: &Value, keys: &[&str], pod: &Value) -> BTreeMap<String, i64> {
        let mut domains = BTreeMap::new();
        for (index, node) in &self.placed.nodes {
            if keys.iter().all(|key| node.label(key).is_some()) && Self::counted(constraint, pod, node) {
                let value = node.label(key(constraint)).unwrap_or_default();
                *domains.entry(value.to_string()).or_default() += self.pods_on(*index, constraint, pod);
            }
        }
        domains
    }

    /// For each node that is ruled out: whether eviction could not help.
    pub fn filter(&self, pod: &Value) -> BTreeMap<usize, bool> {
        let (constraints, _) = self.constraints(pod, "DoNotSchedule");
        let keys: Vec<&str> = constraints.iter().map(key).collect();
        let mut out = BTreeMap::new();
        for (index, node) in &self.placed.nodes {
            for constraint in &constraints {
                let Some(value) = node.label(key(constraint)) else {
                    out.insert(*index, true);
                    break;
                };
                let domains = self.domains(constraint, &keys, pod);
                let too_few = domains.len() < constraint["minDomains"].as_u64().unwrap_or(1) as usize;
                let least = if too_few { 0 } else { domains.values().copied().min().unwrap() };
                let itself = i64::from(matches(constraint, pod.at(&["metadata", "labels"])));
                let there = domains.get(value).copied().unwrap_or(0);
                if there + itself - least > constraint["maxSkew"].as_i64().unwrap() {
                    out.insert(*index, false);
                    break;
                }
            }
        }
        out
    }

    pub fn score(&self, pod: &Value, nodes: &BTreeSet<usize>) -> Vec<u32> {
        let (constraints, are_system) = self.constraints(pod, "ScheduleAnyway");
        if constraints.is_empty() {
            return vec![0; nodes.len()];
        }
        let keys: Vec<&str> = constraints.iter().map(key).collect();
        let required = if are_system { Vec::new() } else { keys };
        let is_scored = |index: &&usize| {
            self.placed
                .nodes
                .get(index)
                .is_some_and(|node| required.iter().all(|key| node.label(key).is_some()))
        };
        let scored: Vec<usize> = nodes.iter().filter(is_scored).copied().collect();
        let raw: BTreeMap<usize, i64> = scored
            .iter()
            .map(|index| (*index, self.raw_score(*index, pod, &constraints, &required, &scored)))
            .collect();
        let (least, most) =
            (raw.values().min().copied().unwrap_or(0), raw.values().max().copied().unwrap_or(0));
        let normalized = |index: &usize| match raw.get(index) {
            None => 0,
            Some(_) if most == 0 => 100,
            Some(score) => (100 * (most + least - score) / most) as u32,
        };
        nodes.iter().map(normalized).collect()
    }

    fn raw_score(
        &self,
        index: usize,
        pod: &Value,
        constraints: &[Value],
        required: &[&str],
        scored: &[usize],
    ) -> i64 {
        let node = &self.placed.nodes[&index];
        let mut score = 0.0;
        for constraint in constraints {
            let Some(value) = node.label(key(constraint)) else { continue };
            let values = scored
                .iter()
                .map(|other| self.placed.nodes[other].label(key(constraint)).unwrap_or_default());
            let (pods, size) = if key(constraint) == HOSTNAME {
                (self.pods_on(index, constraint, pod), scored.len())
            } else {
                let domains = self.domains(constraint, required, pod);
                (domains.get(value).copied().unwrap_or(0), values.collect::<BTreeSet<_>>().len())
            };
            let weight = ((size + 2) as f64).ln();
            score += pods as f64 * weight + (constraint["maxSkew"].as_i64().unwrap() - 1) as f64;
        }
        f64::round(score) as i64
    }
}

fn key(constraint: &Value) -> &str {
    constraint["topologyKey"].as_str().unwrap()
}
