//! A compact row per node, and what each pod took from it.

use std::collections::HashMap;

use serde::Deserialize;

use super::amounts::Amounts;
use super::{CORE, Request, Resources};

#[derive(Debug, Clone, Default)]
pub struct Row {
    /// False between a node's removal and its index being used again.
    present: bool,
    pub allocatable: [i64; CORE],
    pub requested: [i64; CORE],
    /// CPU and memory with the assumed amounts: what scores count.
    pub scored: [i64; 2],
    pub pods: i64,
    pub allowed_pods: i64,
    /// Number, allocatable and requested of further resources.
    others: Vec<(usize, i64, i64)>,
}

impl Row {
    /// Allocatable and requested of a resource by its number.
    pub fn amounts(&self, number: usize) -> (i64, i64) {
        if number < CORE {
            return (self.allocatable[number], self.requested[number]);
        }
        let known = self.others.iter().find(|(known, _, _)| *known == number);
        known.map_or((0, 0), |(_, allocatable, requested)| (*allocatable, *requested))
    }

    /// As [`Row::amounts`], with the assumed CPU and memory.
    pub fn scored_amounts(&self, number: usize) -> (i64, i64) {
        match self.scored.get(number) {
            Some(scored) => (self.allocatable[number], *scored),
            None => self.amounts(number),
        }
    }

    fn other_mut(&mut self, number: usize) -> &mut (usize, i64, i64) {
        let place = self.others.iter().position(|(known, _, _)| *known == number).unwrap_or_else(|| {
            self.others.push((number, 0, 0));
            self.others.len() - 1
        });
        &mut self.others[place]
    }

    /// Adds (`sign` 1) or takes back (-1) what a pod requests.
    fn charge(&mut self, request: &Request, sign: i64) {
        let charge = |own: &mut [i64], amounts: &[i64]| {
            own.iter_mut().zip(amounts).for_each(|(own, amount)| *own += sign * amount);
        };
        charge(&mut self.requested, &request.core);
        charge(&mut self.scored, &request.scored);
        self.pods += sign;
        for (number, amount) in &request.others {
            self.other_mut(*number).2 += sign * amount;
        }
    }
}

#[derive(Debug, Default)]
pub struct Rows {
    nodes: Vec<Row>,
    pods: HashMap<String, (usize, Request)>,
    resources: Resources,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    allocatable: Option<Amounts>,
}

impl Rows {
    pub fn resources(&mut self) -> &mut Resources {
        &mut self.resources
    }

    pub fn resource_name(&self, number: usize) -> &str {
        self.resources.name(number)
    }

    /// What the pod asks for, its resources numbered as the rows' are.
    pub fn request(&mut self, pod: &str) -> Result<Request, String> {
        Request::read(pod, &mut self.resources)
    }

    pub fn node(&self, index: usize) -> Option<&Row> {
        self.nodes.get(index).filter(|row| row.present)
    }

    /// A row outlives its node, since pods may be told before their node or after it.
    fn row(&mut self, index: usize) -> &mut Row {
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, Row::default);
        }
        &mut self.nodes[index]
    }

    /// Reads `status.allocatable`.
    pub fn upsert_node(&mut self, index: usize, node: &str) -> Result<(), String> {
        let node: Node = serde_json::from_str(node).map_err(|error| format!("node: {error}"))?;
        let amounts = node.status.and_then(|status| status.allocatable).unwrap_or_default();
        let others: Vec<(usize, i64)> =
            amounts.others.iter().map(|(name, amount)| (self.resources.number(name), *amount)).collect();
        let row = self.row(index);
        row.present = true;
        row.allocatable = amounts.core.map(|amount| amount.unwrap_or(0));
        row.allowed_pods = amounts.pods.unwrap_or(0);
        row.others.iter_mut().for_each(|(_, allocatable, _)| *allocatable = 0);
        for (number, amount) in others {
            row.other_mut(number).1 = amount;
        }
        Ok(())
    }

    pub fn remove_node(&mut self, index: usize) {
        self.row(index).present = false;
    }

    /// Reads [`super::REQUEST_FIELDS`].
    pub fn upsert_pod(&mut self, key: String, node: usize, pod: &str) -> Result<(), String> {
        let request = self.request(pod)?;
        self.remove_pod(&key);
        self.row(node).charge(&request, 1);
        self.pods.insert(key, (node, request));
        Ok(())
    }

    pub fn remove_pod(&mut self, key: &str) {
        if let Some((node, request)) = self.pods.remove(key) {
            self.row(node).charge(&request, -1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"spec": {"containers": [{"resources": {"requests": {"cpu": "1", "a/b": 1}}}]}}"#;

    #[test]
    fn pods_may_come_before_their_node_and_move() {
        let mut rows = Rows::default();
        rows.upsert_pod("p".into(), 3, POD).unwrap();
        assert!(rows.node(3).is_none());
        rows.upsert_node(3, r#"{"status": {"allocatable": {"cpu": "2", "a/b": "4"}}}"#).unwrap();
        let number = rows.resources().find("a/b").unwrap();
        let amounts = |rows: &Rows| (rows.node(3).unwrap().amounts(0), rows.node(3).unwrap().amounts(number));
        assert_eq!(amounts(&rows), ((2000, 1000), (4, 1)));
        rows.upsert_node(3, r#"{"status": {"allocatable": {"cpu": "3"}}}"#).unwrap();
        assert_eq!(amounts(&rows), ((3000, 1000), (0, 1)));
        rows.upsert_pod("p".into(), 1, POD).unwrap();
        assert_eq!(amounts(&rows), ((3000, 0), (0, 0)));
        rows.remove_pod("p");
        rows.remove_pod("p");
        assert_eq!(rows.row(1).pods, 0);
    }
}
