//! The same questions answered by looking at every node and every pod each time.

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::object::Object;
use orch_sdk::selector::Selector;
use orch_sdk::topology::random::Placed;
use orch_sdk::{Value, json};

use super::{NOT_APART, NOT_KEPT_APART, NOT_NEAR};

#[derive(Default)]
pub struct Cluster {
    pub placed: Placed,
    /// Labels by name.
    pub namespaces: BTreeMap<String, Value>,
    pub hard_weight: i64,
    pub ignores_preferred: bool,
}

fn required<'a>(pod: &'a Value, kind: &str) -> &'a [Value] {
    pod.items(&["spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"])
}

/// The preferred terms with their weights, those of anti-affinity below nothing.
fn preferred(pod: &Value) -> Vec<(i64, &Value)> {
    let list = |kind: &str| {
        pod.items(&["spec", "affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution"])
    };
    let weigh = |sign: i64| move |it: &'_ Value| sign * it["weight"].as_i64().unwrap();
    let near = list("podAffinity").iter().map(|it| (weigh(1)(it), &it["podAffinityTerm"]));
    let apart = list("podAntiAffinity").iter().map(|it| (weigh(-1)(it), &it["podAffinityTerm"]));
    near.chain(apart).collect()
}

impl Cluster {
    /// Whether the owner's term means the other pod.
    fn means(&self, owner: &Value, term: &Value, other: &Value) -> bool {
        let Some(selector) = term.get("labelSelector").filter(|selector| !selector.is_null()) else {
            return false;
        };
        let selector = Selector::from_label_selector(selector).unwrap();
        let names = term.items(&["namespaces"]);
        let by_labels = term.get("namespaceSelector");
        let here = match by_labels {
            None if names.is_empty() => owner.namespace() == other.namespace(),
            _ => {
                let labels = self.namespaces.get(other.namespace()).cloned().unwrap_or(json!({}));
                names.iter().any(|name| name == other.namespace())
                    || by_labels.is_some_and(|it| Selector::from_label_selector(it).unwrap().matches(&labels))
            }
        };
        here && selector.matches(other.at(&["metadata", "labels"]))
    }

    fn shares(&self, term: &Value, node: usize, other: usize) -> bool {
        let key = term["topologyKey"].as_str().unwrap();
        let value = |node: &usize| self.placed.nodes.get(node).and_then(|node| node.label(key));
        value(&node).is_some() && value(&node) == value(&other)
    }

    fn has_key(&self, term: &Value, node: usize) -> bool {
        self.placed
            .nodes
            .get(&node)
            .is_some_and(|node| node.label(term["topologyKey"].as_str().unwrap()).is_some())
    }

    /// The reason for each node that is ruled out, and whether eviction could not help.
    pub fn filter(&self, pod: &Value) -> BTreeMap<usize, (String, bool)> {
        let judge = |node: &usize| {
            let (reason, unresolvable) = if !self.is_near(pod, *node) {
                (NOT_NEAR, true)
            } else if self.is_shunning(pod, *node) {
                (NOT_APART, false)
            } else if self.is_shunned(pod, *node) {
                (NOT_KEPT_APART, false)
            } else {
                return None;
            };
            Some((*node, (reason.to_string(), unresolvable)))
        };
        self.placed.nodes.keys().filter_map(judge).collect()
    }

    fn is_near(&self, pod: &Value, node: usize) -> bool {
        let terms = required(pod, "podAffinity");
        let means = |other: &Value| terms.iter().all(|term| self.means(pod, term, other));
        let wanted: Vec<usize> =
            self.placed.pods.values().filter(|(_, other)| means(other)).map(|(node, _)| *node).collect();
        let labelled = terms.iter().all(|term| self.has_key(term, node));
        let beside = terms.iter().all(|term| wanted.iter().any(|other| self.shares(term, node, *other)));
        let anywhere = wanted.iter().any(|other| terms.iter().any(|term| self.has_key(term, *other)));
        labelled && (beside || (!anywhere && means(pod)))
    }

    fn is_shunning(&self, pod: &Value, node: usize) -> bool {
        required(pod, "podAntiAffinity").iter().any(|term| {
            self.placed
                .pods
                .values()
                .any(|(other, it)| self.means(pod, term, it) && self.shares(term, node, *other))
        })
    }

    fn is_shunned(&self, pod: &Value, node: usize) -> bool {
        self.placed.pods.values().any(|(other, it)| {
            let terms = required(it, "podAntiAffinity");
            terms.iter().any(|term| self.means(it, term, pod) && self.shares(term, node, *other))
        })
    }

    pub fn score(&self, pod: &Value, nodes: &BTreeSet<usize>) -> Vec<u32> {
        let raw: Vec<i64> = nodes.iter().map(|node| self.raw_score(pod, *node)).collect();
        let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
        let normalized = |score: i64| match most - least {
            0 => 0,
            range => (100.0 * ((score - least) as f64 / range as f64)) as u32,
        };
        raw.into_iter().map(normalized).collect()
    }

    fn raw_score(&self, pod: &Value, node: usize) -> i64 {
        let own = preferred(pod);
        if self.ignores_preferred && own.is_empty() {
            return 0;
        }
        let mut score = 0;
        for (other, it) in self.placed.pods.values() {
            let mut add = |owner: &Value, term: &Value, meant: &Value, weight: i64| {
                if self.means(owner, term, meant) && self.shares(term, node, *other) {
                    score += weight;
                }
            };
            own.iter().for_each(|(weight, term)| add(pod, term, it, *weight));
            preferred(it).into_iter().for_each(|(weight, term)| add(it, term, pod, weight));
            required(it, "podAffinity").iter().for_each(|term| add(it, term, pod, self.hard_weight));
        }
        score
    }
}
