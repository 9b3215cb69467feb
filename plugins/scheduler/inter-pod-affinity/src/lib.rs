//! Keeps pods near the pods they want to be near, and apart from those they (or those others) do not.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity>

use std::rc::Rc;

use orch_sdk::node::Node;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope, Verdict};
use orch_sdk::topology::{Group, Questions, RawPod, Topology};
use orch_sdk::{Value, serde_json};

mod config;
mod filter;
mod known;
mod namespaces;
mod question;
mod score;
mod term;
#[cfg(test)]
mod tests;

use config::Config;
use known::KnownTerms;
use namespaces::NamespaceLabels;
use question::Question;
use term::Terms;

#[derive(Default)]
pub struct InterPodAffinity {
    topology: Topology,
    /// Those of the pods that are placed.
    terms: KnownTerms,
    namespaces: NamespaceLabels,
    config: Config,
    questions: Questions<Question>,
}

orch_sdk::export_scheduler!(InterPodAffinity);

impl Policy for InterPodAffinity {
    fn describe() -> Description {
        let pod = ["metadata.labels", "spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"];
        Description::new()
            .pod(&pod)
            .reads("v1", "Node", &["metadata.labels"])
            .reads("v1", "Pod", &pod)
            .reads("v1", "Namespace", &["metadata.labels"])
            .filters(Scope::Cluster)
            .scores(Scope::Cluster, Normalization::None)
            .weight(2)
            .order(120)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.config = Config::read(config)?;
        self.questions = Questions::default();
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.topology.upsert_node(index, Node::parse(&node)?),
            Delta::NodeRemove { index } => self.topology.remove_node(index),
            Delta::PodUpsert { key, node, pod } => self.upsert_pod(&key, node, &pod)?,
            Delta::PodRemove { key } => self.topology.remove_pod(&key),
            Delta::ObjectUpsert { object } => self.namespaces.upsert(&parse(&object)?),
            Delta::ObjectRemove { identity } => self.namespaces.remove(&parse(&identity)?),
        }
        let released = self.topology.take_released();
        released.into_iter().for_each(|(mark, _)| self.terms.release(mark));
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        match self.question(pod) {
            Ok(question) => Ok(filter::filter(&self.topology, &question, nodes).into()),
            Err(fault) => Ok(Verdict::Pod(format!("parsing pod: {fault}"))),
        }
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let question = self.question(pod)?;
        Ok(score::score(&self.topology, &question, nodes))
    }
}

impl InterPodAffinity {
    fn upsert_pod(&mut self, uid: &str, node: usize, pod: &str) -> Result<(), String> {
        let raw = RawPod::parse(pod)?;
        let InterPodAffinity { topology, terms, .. } = self;
        topology.upsert_pod(uid, node, &raw.text(), || {
            let (namespace, labels) = (raw.metadata.namespace.as_ref(), raw.labels()?);
            // A pod that runs in spite of terms that cannot be read has none.
            let own = Terms::read(&raw).unwrap_or_else(|fault| {
                let message = format!("the affinity of pod {namespace}/{uid} is ignored: {fault}");
                orch_sdk::log::warn(&message);
                Terms::default()
            });
            let marks = terms.marks(own);
            Ok(Group::new(namespace, labels).with_marks(marks))
        })
    }

    fn question(&mut self, pod: &str) -> Result<Rc<Question>, String> {
        let InterPodAffinity { topology, terms, namespaces, config, questions } = self;
        topology.trim();
        let now = (topology.epoch(), terms.changes(), namespaces.changes());
        let make = |raw: &RawPod<'_>| Question::make(raw, topology, terms, namespaces, config, now);
        questions.find_or_make(pod, |known| known.made_at == now, make)
    }
}

fn parse(object: &str) -> Result<Value, String> {
    serde_json::from_str(object).map_err(|error| format!("object: {error}"))
}
