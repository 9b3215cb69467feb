//! Which nodes have which images.

use std::collections::HashMap;

use orch_sdk::scheduler::NodeSet;
use orch_sdk::serde::Deserialize;
use orch_sdk::serde_json;

#[derive(Default)]
pub struct Images {
    present: NodeSet,
    /// The names and sizes on each node, by index.
    nodes: Vec<Vec<(String, u64)>>,
    by_name: HashMap<String, Holders>,
}

/// The nodes that have an image, by its size there: mostly one size, as nodes are mostly alike.
#[derive(Debug, Default)]
struct Holders {
    sizes: Vec<(u64, NodeSet)>,
}

/// An image among all nodes.
pub struct Found<'a> {
    holders: &'a Holders,
    /// The share of nodes that have it, 0 to 1.
    spread: f64,
}

impl Found<'_> {
    /// Its size on the node, scaled by how far it has spread; 0 where it is not.
    pub fn worth(&self, node: usize) -> u64 {
        let here = self.holders.sizes.iter().find(|(_, nodes)| nodes.contains(node));
        here.map_or(0, |(size, _)| (*size as f64 * self.spread) as u64)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Node {
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Status {
    images: Option<Vec<Image>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Image {
    names: Option<Vec<String>>,
    size_bytes: u64,
}

impl Images {
    /// Takes `status.images` of a node, new or changed.
    pub fn place(&mut self, index: usize, node: &str) -> Result<(), String> {
        let node: Node = serde_json::from_str(node).map_err(|error| format!("node: {error}"))?;
        self.remove(index);
        self.present.insert(index);
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, Vec::new);
        }
        for image in node.status.unwrap_or_default().images.unwrap_or_default() {
            for name in image.names.unwrap_or_default() {
                self.insert(index, name, image.size_bytes);
            }
        }
        Ok(())
    }

    pub fn remove(&mut self, index: usize) {
        self.present.remove(index);
        for (name, _) in self.nodes.get_mut(index).map(std::mem::take).unwrap_or_default() {
            let Some(holders) = self.by_name.get_mut(&name) else { continue };
            holders.sizes.iter_mut().for_each(|(_, nodes)| nodes.remove(index));
            holders.sizes.retain(|(_, nodes)| !nodes.is_empty());
            if holders.sizes.is_empty() {
                self.by_name.remove(&name);
            }
        }
    }

    /// Of a name that a node lists twice, the first counts.
    fn insert(&mut self, index: usize, name: String, size: u64) {
        if self.nodes[index].iter().any(|(known, _)| *known == name) {
            return;
        }
        let holders = self.by_name.entry(name.clone()).or_default();
        match holders.sizes.iter_mut().find(|(known, _)| *known == size) {
            Some((_, nodes)) => nodes.insert(index),
            None => holders.sizes.push((size, [index].into_iter().collect())),
        }
        self.nodes[index].push((name, size));
    }

    /// Nothing when no node has it.
    pub fn find(&self, name: &str) -> Option<Found<'_>> {
        let holders = self.by_name.get(name)?;
        let count: usize = holders.sizes.iter().map(|(_, nodes)| nodes.count()).sum();
        Some(Found { holders, spread: count as f64 / self.present.count() as f64 })
    }
}
