//! The nodes, by index and by name.

use std::collections::HashMap;

use crate::node::Node;

#[derive(Default)]
pub(super) struct Nodes {
    nodes: Vec<Option<Node>>,
    indexes: HashMap<String, usize>,
}

impl Nodes {
    pub fn place(&mut self, index: usize, node: Option<Node>) {
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, || None);
        }
        if let Some(before) = self.nodes[index].take()
            && self.indexes.get(&before.metadata.name) == Some(&index)
        {
            self.indexes.remove(&before.metadata.name);
        }
        if let Some(node) = &node {
            self.indexes.insert(node.metadata.name.clone(), index);
        }
        self.nodes[index] = node;
    }

    pub fn get(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)?.as_ref()
    }

    pub fn named(&self, name: &str) -> Option<(usize, &Node)> {
        let index = *self.indexes.get(name)?;
        Some((index, self.get(index)?))
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter_map(|(index, node)| Some((index, node.as_ref()?)))
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }
}
