//! Prefers nodes on which the pod evens out how much of each resource is taken.
//!
//! ```json
//! {"resources": [{"name": "cpu"}, {"name": "memory"}, {"name": "example.com/gpu"}]}
//! ```

use std::collections::HashSet;

use orch_sdk::Value;
use orch_sdk::config::Field;
use orch_sdk::scheduler::resources::{CORE, REQUEST_FIELDS, Request, Row, Rows};
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope};

mod balance;

use balance::{score, share};

pub struct BalancedAllocation {
    rows: Rows,
    /// The names of those that are to be even.
    resources: Vec<String>,
}

impl Default for BalancedAllocation {
    fn default() -> Self {
        BalancedAllocation { rows: Rows::default(), resources: defaults() }
    }
}

fn defaults() -> Vec<String> {
    vec!["cpu".into(), "memory".into()]
}

orch_sdk::export_scheduler!(BalancedAllocation);

impl Policy for BalancedAllocation {
    fn describe() -> Description {
        Description::new()
            .pod(&REQUEST_FIELDS)
            .reads("v1", "Node", &["status.allocatable"])
            .reads("v1", "Pod", &REQUEST_FIELDS)
            .scores(Scope::Node, Normalization::None)
            .order(130)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        let list = Field::root(config).only(&["resources"])?.child("resources");
        let mut seen = HashSet::new();
        let mut resources = Vec::new();
        for item in list.items()? {
            let item = item.only(&["name", "weight"])?;
            let name = item.child("name");
            if !seen.insert(name.text()?) {
                return Err(name.invalid("is named twice"));
            }
            if item.child("weight").integer_or(1, 0..=100)? != 1 {
                return Err(item.child("weight").invalid("must be 1"));
            }
            resources.push(name.text()?.to_string());
        }
        self.resources = if resources.is_empty() { defaults() } else { resources };
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

    /// A pod that asks for none of the resources would pile up on the most even node: it has no say.
    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let request = self.rows.request(pod)?;
        let asked = self.asked(&request);
        if asked.iter().all(|(_, amount)| *amount == 0) {
            return Ok(Vec::new());
        }
        let mut shares = Shares::default();
        Ok(nodes
            .iter()
            .map(|node| self.rows.node(node).map_or(0, |row| shares.balance_on(row, &asked)))
            .collect())
    }
}

impl BalancedAllocation {
    /// Number and amount of each resource that counts for the pod: extended ones when it asks for them.
    fn asked(&mut self, request: &Request) -> Vec<(usize, i64)> {
        let resources = self.rows.resources();
        let known = self.resources.iter().filter_map(|name| resources.find(name));
        let asked = known.map(|number| (number, request.amount(number)));
        asked.filter(|(number, amount)| *number < CORE || *amount > 0).collect()
    }
}

/// What is taken of each resource with and without the pod; the lists are used again for every node.
#[derive(Default)]
struct Shares {
    with: Vec<f64>,
    without: Vec<f64>,
}

impl Shares {
    fn balance_on(&mut self, row: &Row, asked: &[(usize, i64)]) -> u32 {
        self.with.clear();
        self.without.clear();
        for (number, amount) in asked {
            let (allocatable, requested) = row.amounts(*number);
            if allocatable != 0 {
                self.with.push(share(requested + amount, allocatable));
                self.without.push(share(requested, allocatable));
            }
        }
        score(&self.with, &self.without)
    }
}

#[cfg(test)]
mod tests;
