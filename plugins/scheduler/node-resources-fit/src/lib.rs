//! Keeps pods off nodes without room for what they request, and prefers nodes by how full they are:
//! `LeastAllocated` (spread) or `MostAllocated` (pack), as configured:
//!
//! ```json
//! {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
//! ```

use orch_sdk::Value;
use orch_sdk::pod::REQUEST_FIELDS;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope, Verdict};

mod fit;
mod request;
mod rows;
mod strategy;

use request::Request;
use rows::Rows;
use strategy::Strategy;

#[derive(Default)]
pub struct NodeResourcesFit {
    rows: Rows,
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
        self.strategy = Strategy::read(config)?;
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.rows.upsert_node(index, &node),
            Delta::NodeRemove { index } => {
                self.rows.remove_node(index);
                Ok(())
            }
            Delta::PodUpsert { key, node, pod } => self.rows.upsert_pod(key, node, &pod),
            Delta::PodRemove { key } => {
                self.rows.remove_pod(&key);
                Ok(())
            }
            Delta::ObjectUpsert { .. } | Delta::ObjectRemove { .. } => Ok(()),
        }
    }

    fn filter(&mut self, pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let request = Request::read(pod, self.rows.resources())?;
        Ok(fit::rejections(&self.rows, &request, nodes).into())
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let request = Request::read(pod, self.rows.resources())?;
        let weights = self.strategy.weights(self.rows.resources(), &request);
        let score = |node| self.rows.node(node).map_or(0, |row| self.strategy.score(row, &request, &weights));
        Ok(nodes.iter().map(score).collect())
    }
}

#[cfg(test)]
mod tests;
