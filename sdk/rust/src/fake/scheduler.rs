//! A fake host for scheduling policies: nodes and pods as JSON in, verdicts by node name out.
//!
//! Like the host it cuts objects down to what the policy says it reads, tells it of changes of that
//! alone, knows nodes by indexes that are used again, and normalises scores.
//!
//! ```
//! use orch_sdk::fake::scheduler::Scheduler;
//! use orch_sdk::json;
//! # use orch_sdk::scheduler::{Description, NodeSet, Normalization, Policy, Scope};
//! # #[derive(Default)]
//! # struct Even;
//! # impl Policy for Even {
//! #     fn describe() -> Description { Description::new().scores(Scope::Node, Normalization::Highest) }
//! #     fn score(&mut self, _pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
//! #         Ok(nodes.iter().map(|node| u32::from(node % 2 == 0)).collect())
//! #     }
//! # }
//! let mut host = Scheduler::<Even>::new();
//! host.node(json!({"metadata": {"name": "a"}}));
//! host.node(json!({"metadata": {"name": "b"}}));
//! let scores = host.scores(&json!({}));
//! assert_eq!((scores["a"], scores["b"]), (100, 0));
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::object::Object;
use crate::scheduler::{
    Advice, Delta, Description, Eviction, NodeSet, Normalization, Permission, Plan, Policy, Scope, Verdict,
};

mod cut;
mod filtered;
#[cfg(test)]
mod tests;

use cut::cut;
pub use filtered::{Filtered, Reason};

/// Panics when the policy answers what the host would refuse, or an error where none is expected.
pub struct Scheduler<P: Policy> {
    policy: P,
    config: Value,
    description: Description,
    /// By index; nothing where a node was removed.
    nodes: Vec<Option<Resident>>,
    pods: BTreeMap<String, Resident>,
    objects: BTreeMap<String, String>,
}

/// What was told last.
struct Resident {
    /// The node itself, or the one the pod is on.
    node: String,
    json: String,
}

impl<P: Policy> Default for Scheduler<P> {
    fn default() -> Self {
        Scheduler::new()
    }
}

impl<P: Policy> Scheduler<P> {
    /// Configured with `{}`.
    pub fn new() -> Self {
        Scheduler::configured(&Value::Object(Default::default())).expect("an empty configuration")
    }

    /// An error is the policy's own: it refuses the configuration.
    pub fn configured(config: &Value) -> Result<Self, String> {
        let mut policy = P::default();
        policy.configure(config)?;
        Ok(Scheduler {
            policy,
            config: config.clone(),
            description: P::describe(),
            nodes: Vec::new(),
            pods: BTreeMap::new(),
            objects: BTreeMap::new(),
        })
    }

    /// Changes the configuration alone, keeping what is resident.
    pub fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.policy.configure(config)?;
        self.config = config.clone();
        Ok(())
    }

    pub fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// Adds the node or changes it. Its name is `metadata.name`.
    pub fn node(&mut self, node: Value) -> &mut Self {
        let name = node.name().to_string();
        assert!(!name.is_empty(), "a node needs metadata.name: {node}");
        let json = self.resident("v1", "Node", &node);
        let free = self.nodes.iter().position(Option::is_none).unwrap_or(self.nodes.len());
        let index = self.index(&name).unwrap_or(free);
        if index == self.nodes.len() {
            self.nodes.push(None);
        }
        let before =
            self.nodes[index].replace(Resident { node: name, json: json.clone().unwrap_or_default() });
        match json {
            Some(json) if before.is_none_or(|before| before.json != json) => {
                self.tell(Delta::NodeUpsert { index, node: json });
            }
            _ => {}
        }
        self
    }

    /// Removes the node and the pods on it.
    pub fn remove_node(&mut self, name: &str) -> &mut Self {
        let on_node = |(key, pod): (&String, &Resident)| (pod.node == name).then(|| key.clone());
        let pods: Vec<String> = self.pods.iter().filter_map(on_node).collect();
        for key in &pods {
            self.remove_pod(key);
        }
        let index = self.expect_index(name);
        self.nodes[index] = None;
        if self.reads("v1", "Node") {
            self.tell(Delta::NodeRemove { index });
        }
        self
    }

    /// A pod assigned to `spec.nodeName`. Its key is `metadata.uid`, or its name where it has none.
    pub fn pod(&mut self, pod: Value) -> &mut Self {
        let (key, name) =
            (key_of(&pod), pod.at(&["spec", "nodeName"]).as_str().unwrap_or_default().to_string());
        let node = self.expect_index(&name);
        let Some(json) = self.resident("v1", "Pod", &pod) else {
            self.pods.insert(key, Resident { node: name, json: String::new() });
            return self;
        };
        let resident = Resident { node: name.clone(), json: json.clone() };
        let before = self.pods.insert(key.clone(), resident);
        if before.is_none_or(|before| before.json != json || before.node != name) {
            self.tell(Delta::PodUpsert { key, node, pod: json });
        }
        self
    }

    pub fn remove_pod(&mut self, key: &str) -> &mut Self {
        assert!(self.pods.remove(key).is_some(), "no pod {key}");
        if self.reads("v1", "Pod") {
            self.tell(Delta::PodRemove { key: key.into() });
        }
        self
    }

    /// An object of any other kind, new or changed.
    pub fn object(&mut self, object: Value) -> &mut Self {
        let Some(json) = self.resident(object.api_version(), object.kind(), &object) else { return self };
        let known = format!("{}/{}/{}", object.api_version(), object.kind(), object.key());
        if self.objects.insert(known, json.clone()).is_none_or(|before| before != json) {
            self.tell(Delta::ObjectUpsert { object: json });
        }
        self
    }

    pub fn remove_object(&mut self, object: &Value) -> &mut Self {
        let known = format!("{}/{}/{}", object.api_version(), object.kind(), object.key());
        if self.objects.remove(&known).is_some() {
            self.tell(Delta::ObjectRemove { identity: cut(object, &cut::IDENTITY).to_string() });
        }
        self
    }

    /// Judges every node.
    pub fn filter(&mut self, pod: &Value) -> Filtered {
        self.filter_set(pod, &self.all())
    }

    /// Judges these nodes alone.
    pub fn filter_among(&mut self, pod: &Value, names: &[&str]) -> Filtered {
        let nodes = self.set(names);
        self.filter_set(pod, &nodes)
    }

    /// 0 to 100 by node name, normalised over all nodes.
    pub fn scores(&mut self, pod: &Value) -> BTreeMap<String, u32> {
        self.scores_set(pod, &self.all())
    }

    /// As when these nodes alone are feasible.
    pub fn scores_among(&mut self, pod: &Value, names: &[&str]) -> BTreeMap<String, u32> {
        let nodes = self.set(names);
        self.scores_set(pod, &nodes)
    }

    /// What the policy answers, before normalisation.
    pub fn raw_scores(&mut self, pod: &Value) -> BTreeMap<String, u32> {
        self.raw_scores_set(pod, &self.all())
    }

    pub fn rank(&mut self, pod: &Value) -> i64 {
        assert!(self.description.ranks, "the description does not say that the policy ranks");
        let pod = self.question(pod);
        self.policy.rank(&pod).expect("a rank")
    }

    /// Node names and the keys of their possible victims, those to be spared first coming first; or
    /// why the pod may not preempt.
    pub fn propose(&mut self, pod: &Value) -> Result<Vec<(String, Vec<String>)>, String> {
        let all = self.all();
        self.propose_set(pod, &all)
    }

    /// With these nodes alone being such that evictions may help.
    pub fn propose_among(
        &mut self,
        pod: &Value,
        names: &[&str],
    ) -> Result<Vec<(String, Vec<String>)>, String> {
        let nodes = self.set(names);
        self.propose_set(pod, &nodes)
    }

    /// The node chosen among these, each with the keys of those that must go.
    pub fn choose(&mut self, pod: &Value, candidates: &[(&str, &[&str])]) -> Option<String> {
        assert!(self.description.preempts, "the description does not say that the policy preempts");
        let eviction = |(node, victims): &(&str, &[&str])| Eviction {
            node: self.expect_index(node),
            victims: victims.iter().map(|victim| victim.to_string()).collect(),
        };
        let evictions: Vec<Eviction> = candidates.iter().map(eviction).collect();
        let pod = self.question(pod);
        let choice = self.policy.choose(&pod, &evictions).expect("a choice")?;
        assert!(choice < candidates.len(), "chose {choice} of {} candidates", candidates.len());
        Some(candidates[choice].0.to_string())
    }

    pub fn reserve(&mut self, pod: &Value, node: &str) -> Result<(), String> {
        let (pod, node) = (self.question(pod), self.expect_index(node));
        self.policy.reserve(&pod, node)
    }

    pub fn unreserve(&mut self, pod: &Value, node: &str) {
        let (pod, node) = (self.question(pod), self.expect_index(node));
        self.policy.unreserve(&pod, node).expect("unreserve");
    }

    pub fn permit(&mut self, pod: &Value, node: &str) -> Permission {
        let (pod, node) = (self.question(pod), self.expect_index(node));
        self.policy.permit(&pod, node).expect("a permission")
    }

    pub fn pre_bind(&mut self, pod: &Value, node: &str) -> Advice {
        let (pod, node) = (self.question(pod), self.expect_index(node));
        self.policy.pre_bind(&pod, node).expect("advice")
    }

    /// Checks what every policy must hold to: it says of each node alone what it says of it among all,
    /// and a fresh instance that is told what is resident now answers the same as this one, whatever
    /// this one was told on the way.
    pub fn assert_sound(&mut self, pod: &Value) {
        let mut rebuilt = self.rebuilt();
        if self.description.filters.is_some() {
            let whole = self.filter(pod);
            assert_eq!(rebuilt.filter(pod), whole, "filter of a fresh instance for {pod}");
            for node in self.all().iter() {
                let alone = self.filter_set(pod, &[node].into_iter().collect());
                assert_eq!(alone, whole.among(&alone.asked), "filter of {:?} for {pod}", alone.asked);
            }
        }
        if let Some((scope, _)) = self.description.scores {
            let whole = self.raw_scores(pod);
            assert_eq!(rebuilt.raw_scores(pod), whole, "scores of a fresh instance for {pod}");
            // What depends on other nodes may depend on which of them are feasible.
            let alone = if scope == Scope::Node { self.all() } else { NodeSet::new() };
            for node in alone.iter() {
                for (name, score) in self.raw_scores_set(pod, &[node].into_iter().collect()) {
                    assert_eq!(score, whole[&name], "score of {name} for {pod}");
                }
            }
        }
    }

    /// Plays a script of random numbers, for property tests: up to eight nodes and as many pods come,
    /// change, move and go. `node` and `pod` make them from a name (and a node's name) and a number.
    pub fn play(
        &mut self,
        script: &[(u8, u8, u8)],
        node: impl Fn(&str, u8) -> Value,
        pod: impl Fn(&str, &str, u8) -> Value,
    ) {
        for (action, which, number) in script {
            let (node_name, pod_name) = (format!("node-{}", which % 8), format!("pod-{}", number % 8));
            let is_there = self.index(&node_name).is_some();
            match action % 8 {
                0 | 1 => _ = self.node(node(&node_name, *number)),
                2 if is_there => _ = self.remove_node(&node_name),
                3 if self.pods.contains_key(&pod_name) => _ = self.remove_pod(&pod_name),
                4.. if is_there => _ = self.pod(pod(&pod_name, &node_name, *number)),
                _ => {}
            }
        }
    }

    /// A fresh instance, told what is resident now: nodes at other indexes, pods before their nodes.
    pub fn rebuilt(&self) -> Self {
        let mut fresh = Scheduler::configured(&self.config).expect("the same configuration");
        for node in self.nodes.iter().rev().flatten() {
            let (node, json) = (node.node.clone(), node.json.clone());
            fresh.nodes.push(Some(Resident { node, json }));
        }
        for (key, pod) in self.pods.iter().rev().filter(|_| self.reads("v1", "Pod")) {
            let node = fresh.expect_index(&pod.node);
            fresh.tell(Delta::PodUpsert { key: key.clone(), node, pod: pod.json.clone() });
        }
        self.objects
            .values()
            .rev()
            .for_each(|object| fresh.tell(Delta::ObjectUpsert { object: object.clone() }));
        for (index, node) in
            self.nodes.iter().rev().flatten().enumerate().filter(|_| self.reads("v1", "Node"))
        {
            fresh.tell(Delta::NodeUpsert { index, node: node.json.clone() });
        }
        fresh
    }

    fn filter_set(&mut self, pod: &Value, nodes: &NodeSet) -> Filtered {
        assert!(self.description.filters.is_some(), "the description does not say that the policy filters");
        let pod = self.question(pod);
        let verdict = self.policy.filter(&pod, nodes).expect("a verdict");
        let asked: BTreeSet<String> = nodes.iter().map(|node| self.name(node)).collect();
        let mut filtered = Filtered { asked, ..Filtered::default() };
        match verdict {
            Verdict::Pod(reason) => filtered.pod = Some(reason),
            Verdict::Nodes(rejections) => rejections.into_iter().for_each(|rejection| {
                assert!(!rejection.reason.is_empty(), "a rejection without a reason");
                // As the host does, what is said of nodes that were not asked about is left aside.
                for node in rejection.nodes.intersection(nodes).iter() {
                    let reason =
                        Reason { text: rejection.reason.clone(), unresolvable: rejection.unresolvable };
                    filtered.rejected.entry(self.name(node)).or_default().push(reason);
                }
            }),
        }
        filtered
    }

    fn raw_scores_set(&mut self, pod: &Value, nodes: &NodeSet) -> BTreeMap<String, u32> {
        assert!(self.description.scores.is_some(), "the description does not say that the policy scores");
        let pod = self.question(pod);
        let mut scores = self.policy.score(&pod, nodes).expect("scores");
        if scores.is_empty() {
            scores = vec![0; nodes.count()];
        }
        assert_eq!(scores.len(), nodes.count(), "one score for each node of the set");
        nodes.iter().map(|node| self.name(node)).zip(scores).collect()
    }

    fn scores_set(&mut self, pod: &Value, nodes: &NodeSet) -> BTreeMap<String, u32> {
        let mut scores = self.raw_scores_set(pod, nodes);
        let highest = scores.values().copied().max().unwrap_or(0);
        let scaled = |score: u32| (u64::from(score) * 100).checked_div(highest.into()).unwrap_or(0) as u32;
        let (_, normalization) = self.description.scores.unwrap_or_default();
        for (name, score) in &mut scores {
            *score = match normalization {
                Normalization::None => *score,
                Normalization::Highest => scaled(*score),
                Normalization::HighestReversed => 100 - scaled(*score),
            };
            assert!(*score <= 100, "{name} scores {score} of 100");
        }
        scores
    }

    fn propose_set(&mut self, pod: &Value, nodes: &NodeSet) -> Result<Vec<(String, Vec<String>)>, String> {
        assert!(self.description.preempts, "the description does not say that the policy preempts");
        let pod = self.question(pod);
        match self.policy.propose(&pod, nodes).expect("a plan") {
            Plan::NotEligible(why) => Err(why),
            Plan::Proposals(proposals) => Ok(proposals
                .into_iter()
                .inspect(|proposal| {
                    assert!(nodes.contains(proposal.node), "{proposal:?} was not asked about")
                })
                .map(|proposal| (self.name(proposal.node), proposal.victims))
                .collect()),
        }
    }

    fn tell(&mut self, delta: Delta) {
        self.policy.sync(delta).expect("sync");
    }

    /// The pod to be placed, with nothing but what the policy says it reads.
    fn question(&self, pod: &Value) -> String {
        let fields: Vec<&str> = self.description.pod.iter().map(String::as_str).collect();
        cut(pod, &fields).to_string()
    }

    /// The object as it is kept resident; nothing for a kind that the policy does not read.
    fn resident(&self, api_version: &str, kind: &str, object: &Value) -> Option<String> {
        let of_kind =
            |interest: &&crate::Interest| interest.api_version == api_version && interest.kind == kind;
        let interests: Vec<_> = self.description.interests.iter().filter(of_kind).collect();
        let mut fields: Vec<&str> =
            interests.iter().flat_map(|own| own.fields.iter().map(String::as_str)).collect();
        match interests.as_slice() {
            [] => return None,
            interests if interests.iter().any(|own| own.fields.is_empty()) => fields.clear(),
            _ => fields.extend(cut::IDENTITY),
        }
        Some(cut(object, &fields).to_string())
    }

    fn reads(&self, api_version: &str, kind: &str) -> bool {
        self.resident(api_version, kind, &Value::Null).is_some()
    }

    fn all(&self) -> NodeSet {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_some()).map(|(index, _)| index).collect()
    }

    fn set(&self, names: &[&str]) -> NodeSet {
        names.iter().map(|name| self.expect_index(name)).collect()
    }

    fn name(&self, index: usize) -> String {
        self.nodes[index].as_ref().map(|node| node.node.clone()).unwrap_or_default()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.as_ref().is_some_and(|node| node.node == name))
    }

    fn expect_index(&self, name: &str) -> usize {
        self.index(name).unwrap_or_else(|| panic!("no node {name:?}"))
    }
}

fn key_of(pod: &Value) -> String {
    let key = if pod.uid().is_empty() { pod.name() } else { pod.uid() };
    assert!(!key.is_empty(), "a pod needs metadata.uid or metadata.name: {pod}");
    key.to_string()
}
