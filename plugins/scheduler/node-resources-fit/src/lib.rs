//! Keeps pods off nodes without room for what they request, and prefers nodes by how full they are:
//! `LeastAllocated` (spread) or `MostAllocated` (pack), as configured:
//!
//! ```json
//! {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}]}}
//! ```

use orch_sdk::Value;
use orch_sdk::pod::REQUEST_FIELDS;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Policy, Rejection};

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
            .reads("v1", "Node", &["status.allocatable"])
            .reads("v1", "Pod", &REQUEST_FIELDS)
            .filters()
            .scores()
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
        }
    }

    fn filter(&mut self, pod: &str) -> Result<Vec<Rejection>, String> {
        let request = Request::read(pod, self.rows.resources())?;
        Ok(fit::rejections(&self.rows, &request))
    }

    fn score(&mut self, pod: &str, feasible: &NodeSet) -> Result<Vec<u8>, String> {
        let request = Request::read(pod, self.rows.resources())?;
        let weights = self.strategy.weights(self.rows.resources(), &request);
        let mut scores = vec![0; feasible.len()];
        for node in feasible.iter() {
            if let Some(row) = self.rows.node(node) {
                scores[node] = self.strategy.score(row, &request, &weights);
            }
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests;
