//! Keeps pods off nodes without room for what they request, and prefers nodes by how full they are:
//! `LeastAllocated` (spread, the default), `MostAllocated` (pack) or `RequestedToCapacityRatio` (a
//! shape), as configured:
//!
//! ```json
//! {"ignoredResources": ["example.com/license"],
//!  "scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
//! ```

use orch_sdk::Value;
use orch_sdk::scheduler::resources::{REQUEST_FIELDS, Rows};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope, Verdict};

mod config;
mod fit;
mod strategy;

use config::Ignored;
use strategy::Strategy;

#[derive(Default)]
pub struct NodeResourcesFit {
    rows: Rows,
    ignored: Ignored,
    strategy: Strategy,
}

orch_sdk::export_scheduler!(NodeResourcesFit);

impl Policy for NodeResourcesFit {
    fn describe() -> Description {
        Description::new()
            .pod(&REQUEST_FIELDS)
            .reads("v1", "Node", &["status.allocatable"])
            .reads("v1", "Pod", &REQUEST_FIELDS)
            .filters(Scope::Node)
            .scores(Scope::Node, Normalization::None)
            .order(60)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        (self.ignored, self.strategy) = config::read(config)?;
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.rows.upsert_node(index, &node)?,
            Delta::NodeRemove { index } => self.rows.remove_node(index),
            Delta::PodUpsert { key, node, pod } => self.rows.upsert_pod(key, node, &pod)?,
            Delta::PodRemove { key } => self.rows.remove_pod(&key),
            Delta::ObjectUpsert { .. } | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let request = self.rows.request(pod)?;
        Ok(fit::rejections(&self.rows, &request, &self.ignored, nodes).into())
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let request = self.rows.request(pod)?;
        let weighed = self.strategy.weigh(self.rows.resources(), &request);
        let score = |node| self.rows.node(node).map_or(0, |row| self.strategy.score(row, &weighed));
        Ok(nodes.iter().map(score).collect())
    }
}

#[cfg(test)]
mod tests;
