//! Keeps pods on nodes that their `nodeSelector` and required node affinity match, and prefers those
//! that more preferred terms match. Terms for all pods can be added:
//!
//! ```json
//! {"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
//!   {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["batch"]}]}]}}}
//! ```

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::node::Node;
use orch_sdk::pod::{Affinity, NodeAffinity, NodeSelector, Pod};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Rejection, Scope, Verdict};
use orch_sdk::selector::{Operator, Requirement};
use orch_sdk::serde::Deserialize;

mod config;
mod labels;
mod wanted;

use wanted::{AnyOf, Named, Nodes, Preferences};

const NOT_ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";
const NOT_MATCHED: &str = "node(s) didn't match Pod's node affinity/selector";
/// Upstream's words for nodes that a plugin left out before any filter.
const NOT_NAMED: &str = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
const CONFLICT: &str = "pod affinity terms conflict";

#[derive(Default)]
pub struct NodeAffinityPolicy {
    present: NodeSet,
    nodes: Nodes,
    added: NodeAffinity,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    node_selector: Option<BTreeMap<String, String>>,
    affinity: Option<Affinity>,
}

impl Spec {
    fn read(pod: &str) -> Result<(Vec<Requirement>, NodeAffinity), String> {
        let spec = Pod::<Spec>::parse(pod)?.spec;
        let equals = |(key, value)| Requirement { key, operator: Operator::In, values: vec![value] };
        let selector = spec.node_selector.into_iter().flatten().map(equals).collect();
        Ok((selector, spec.affinity.and_then(|affinity| affinity.node_affinity).unwrap_or_default()))
    }
}

orch_sdk::export_scheduler!(NodeAffinityPolicy);

impl Policy for NodeAffinityPolicy {
    fn describe() -> Description {
        Description::new()
            .pod(&["spec.nodeSelector", "spec.affinity.nodeAffinity"])
            .reads("v1", "Node", &["metadata.name", "metadata.labels"])
            .filters(Scope::Node)
            .scores(Scope::Node, Normalization::Highest)
            .weight(2)
            .order(40)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.added = config::added_affinity(config)?;
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let metadata = Node::parse(&node)?.metadata;
                self.present.insert(index);
                self.nodes.labels.place(index, &metadata.labels);
                self.nodes.names.place(index, &BTreeMap::from([("metadata.name".into(), metadata.name)]));
            }
            Delta::NodeRemove { index } => {
                self.present.remove(index);
                self.nodes.labels.place(index, &BTreeMap::new());
                self.nodes.names.place(index, &BTreeMap::new());
            }
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let (selector, affinity) = Spec::read(pod)?;
        let named = match wanted::named(&affinity) {
            Named::No => None,
            Named::Conflict => return Ok(Verdict::Pod(CONFLICT.into())),
            Named::Only(names) => Some(names),
        };
        let named = named.map(|names| self.nodes.names.prepare(&wanted::is_named(names)));
        let any_of = |required: &NodeSelector| AnyOf::read(&self.nodes, required);
        let (added, required) =
            (self.added.required.as_ref().map(any_of), affinity.required.as_ref().map(any_of));
        let selector: Vec<_> = selector.iter().map(|wanted| self.nodes.labels.prepare(wanted)).collect();
        if selector.is_empty() && required.is_none() && added.is_none() {
            return Ok(Verdict::default());
        }
        let holds = |terms: &Option<AnyOf>, node| terms.as_ref().is_none_or(|terms| terms.holds(node));
        let (mut unnamed, mut unenforced, mut unmatched) = (NodeSet::new(), NodeSet::new(), NodeSet::new());
        for node in self.present.intersection(nodes).iter() {
            if named.as_ref().is_some_and(|named| !named.holds(node)) {
                unnamed.insert(node);
            } else if !holds(&added, node) {
                unenforced.insert(node);
            } else if !selector.iter().all(|wanted| wanted.holds(node)) || !holds(&required, node) {
                unmatched.insert(node);
            }
        }
        Ok(rejections([(NOT_MATCHED, unmatched), (NOT_ENFORCED, unenforced), (NOT_NAMED, unnamed)]))
    }

    /// The weights of the terms that hold: the host scales them to the best of the feasible nodes.
    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let (_, affinity) = Spec::read(pod)?;
        let preferences =
            Preferences::read(&self.nodes, affinity.preferred.iter().chain(&self.added.preferred));
        if preferences.is_empty() {
            return Ok(Vec::new());
        }
        Ok(nodes.iter().map(|node| preferences.weigh(node)).collect())
    }
}

fn rejections<const N: usize>(found: [(&str, NodeSet); N]) -> Verdict {
    let rejection =
        |(reason, nodes): (&str, NodeSet)| Rejection { reason: reason.into(), nodes, unresolvable: true };
    let rejections = found.into_iter().filter(|(_, nodes)| !nodes.is_empty()).map(rejection);
    rejections.collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests;
