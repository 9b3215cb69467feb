//! The resident state: a compact row per node and what each pod took from it.

use std::collections::HashMap;

use orch_sdk::node::Node;

use crate::request::{CPU, EPHEMERAL, FIRST_EXTENDED, MEMORY, Request, Resources, amount};

#[derive(Debug, Clone, Default)]
pub struct Row {
    /// False between a node's removal and its index being used again.
    present: bool,
    pub allocatable: [i64; FIRST_EXTENDED],
    pub requested: [i64; FIRST_EXTENDED],
    pub scored_cpu: i64,
    pub scored_memory: i64,
    pub pods: i64,
    pub allowed_pods: i64,
    /// Allocatable and requested of extended resources, by number.
    pub extended: Vec<(usize, i64, i64)>,
}

impl Row {
    pub fn extended(&self, number: usize) -> (i64, i64) {
        let known = self.extended.iter().find(|(known, _, _)| *known == number);
        known.map_or((0, 0), |(_, allocatable, requested)| (*allocatable, *requested))
    }

    fn extended_mut(&mut self, number: usize) -> &mut (usize, i64, i64) {
        let place = self.extended.iter().position(|(known, _, _)| *known == number);
        let place = place.unwrap_or_else(|| {
            self.extended.push((number, 0, 0));
            self.extended.len() - 1
        });
        &mut self.extended[place]
    }

    /// Adds (`sign` 1) or takes back (-1) what a pod requests.
    fn charge(&mut self, request: &Request, sign: i64) {
        self.requested[CPU] += sign * request.cpu;
        self.requested[MEMORY] += sign * request.memory;
        self.requested[EPHEMERAL] += sign * request.ephemeral;
        self.scored_cpu += sign * request.scored_cpu;
        self.scored_memory += sign * request.scored_memory;
        self.pods += sign;
        for (number, amount) in &request.extended {
            self.extended_mut(*number).2 += sign * amount;
        }
    }
}

#[derive(Debug, Default)]
pub struct Rows {
    nodes: Vec<Row>,
    pods: HashMap<String, (usize, Request)>,
    resources: Resources,
}

impl Rows {
    pub fn resources(&mut self) -> &mut Resources {
        &mut self.resources
    }

    pub fn resource_name(&self, number: usize) -> &str {
        self.resources.name(number)
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

    pub fn upsert_node(&mut self, index: usize, node: &str) -> Result<(), String> {
        let node = Node::parse(node)?;
        let mut extended = Vec::new();
        let row = self.row(index);
        row.present = true;
        row.allocatable = [0; FIRST_EXTENDED];
        row.allowed_pods = 0;
        for (name, quantity) in &node.status.allocatable {
            let amount = amount(name, quantity);
            match name.as_str() {
                "cpu" => row.allocatable[CPU] = amount,
                "memory" => row.allocatable[MEMORY] = amount,
                "ephemeral-storage" => row.allocatable[EPHEMERAL] = amount,
                "pods" => row.allowed_pods = amount,
                _ => extended.push((name, amount)),
            }
        }
        row.extended.iter_mut().for_each(|(_, allocatable, _)| *allocatable = 0);
        for (name, amount) in extended {
            let number = self.resources.number(name);
            self.row(index).extended_mut(number).1 = amount;
        }
        Ok(())
    }

    pub fn remove_node(&mut self, index: usize) {
        self.row(index).present = false;
    }

    pub fn upsert_pod(&mut self, key: String, node: usize, pod: &str) -> Result<(), String> {
        let request = Request::read(pod, &mut self.resources)?;
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
