//! Names and labels of the resident nodes.

use serde_json::Value;

use super::Identity;

/// By index, as `sync` tells them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Nodes {
    rows: Vec<Option<NodeRow>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeRow {
    pub name: String,
    /// A map, or `Null`.
    pub labels: Value,
}

impl NodeRow {
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).and_then(Value::as_str)
    }
}

impl Nodes {
    pub fn upsert(&mut self, index: usize, node: &str) -> Result<(), String> {
        let metadata = Identity::parse(node)?.metadata;
        if index >= self.rows.len() {
            self.rows.resize_with(index + 1, || None);
        }
        self.rows[index] = Some(NodeRow { name: metadata.name, labels: metadata.labels });
        Ok(())
    }

    pub fn remove(&mut self, index: usize) {
        if let Some(row) = self.rows.get_mut(index) {
            *row = None;
        }
    }

    pub fn get(&self, index: usize) -> Option<&NodeRow> {
        self.rows.get(index)?.as_ref()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &NodeRow)> {
        self.rows.iter().enumerate().filter_map(|(index, row)| Some((index, row.as_ref()?)))
    }
}
