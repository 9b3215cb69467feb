//! Spreads pods over domains of nodes as their `topologySpreadConstraints` ask, or, where a pod has
//! none, as the configured defaults do.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/>

use std::rc::Rc;

use orch_sdk::node::Node;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope, Verdict};
use orch_sdk::topology::{Group, Questions, RawPod, Topology};
use orch_sdk::{Value, serde_json};

mod config;
mod constraint;
mod filter;
mod question;
mod score;
#[cfg(test)]
mod tests;
mod workloads;

use config::Defaults;
use question::Question;
use workloads::Workloads;

#[derive(Default)]
pub struct PodTopologySpread {
    topology: Topology,
    workloads: Workloads,
    defaults: Defaults,
    questions: Questions<Question>,
}

orch_sdk::export_scheduler!(PodTopologySpread);

impl Policy for PodTopologySpread {
    fn describe() -> Description {
        Description::new()
            .pod(&[
                "metadata.labels",
                "metadata.ownerReferences",
                "spec.topologySpreadConstraints",
                "spec.nodeSelector",
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
                "spec.tolerations",
            ])
            .reads("v1", "Node", &["metadata.labels", "spec.taints"])
            .reads("v1", "Pod", &["metadata.labels", "metadata.deletionTimestamp"])
            .reads("v1", "Service", &["spec.selector"])
            .reads("v1", "ReplicationController", &["spec.selector"])
            .reads("apps/v1", "ReplicaSet", &["spec.selector"])
            .reads("apps/v1", "StatefulSet", &["spec.selector"])
            .filters(Scope::Cluster)
            .scores(Scope::Cluster, Normalization::None)
            .weight(2)
            .order(110)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.defaults = Defaults::read(config)?;
        self.questions = Questions::default();
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.topology.upsert_node(index, Node::parse(&node)?),
            Delta::NodeRemove { index } => self.topology.remove_node(index),
            Delta::PodUpsert { key, node, pod } => self.upsert_pod(&key, node, &pod)?,
            Delta::PodRemove { key } => self.topology.remove_pod(&key),
            Delta::ObjectUpsert { object } => self.workloads.upsert(&parse(&object)?),
            Delta::ObjectRemove { identity } => self.workloads.remove(&parse(&identity)?),
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let question = self.question(pod)?;
        Ok(filter::filter(&self.topology, &question.hard, nodes).into())
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let question = self.question(pod)?;
        Ok(score::score(&self.topology, &question, nodes))
    }
}

impl PodTopologySpread {
    fn upsert_pod(&mut self, uid: &str, node: usize, pod: &str) -> Result<(), String> {
        let raw = RawPod::parse(pod)?;
        if raw.metadata.deletion_timestamp.is_some() {
            // A pod that ends does not count: its replacement would be kept out of its domain.
            self.topology.remove_pod(uid);
            return Ok(());
        }
        let group = || Ok(Group::new(&raw.metadata.namespace, raw.labels()?));
        self.topology.upsert_pod(uid, node, &raw.text(), group)
    }

    fn question(&mut self, pod: &str) -> Result<Rc<Question>, String> {
        let PodTopologySpread { topology, workloads, defaults, questions } = self;
        topology.trim();
        let epoch = topology.epoch();
        let is_current = |known: &Question| known.is_current(epoch, workloads);
        questions.find_or_make(pod, is_current, |raw| Question::make(raw, topology, workloads, defaults))
    }
}

fn parse(object: &str) -> Result<Value, String> {
    serde_json::from_str(object).map_err(|error| format!("object: {error}"))
}
