//! What a filter said, by node name.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// The pod can go nowhere, and why.
    pub pod: Option<String>,
    pub rejected: BTreeMap<String, Vec<Reason>>,
    pub asked: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub text: String,
    /// Evicting pods could not help.
    pub unresolvable: bool,
}

impl Filtered {
    /// The names of the nodes that are left.
    pub fn feasible(&self) -> Vec<&str> {
        let left = |name: &&String| self.pod.is_none() && !self.rejected.contains_key(*name);
        self.asked.iter().filter(left).map(String::as_str).collect()
    }

    /// Why a node was rejected; nothing when it was not.
    pub fn reasons(&self, node: &str) -> Vec<&str> {
        self.rejected.get(node).into_iter().flatten().map(|reason| reason.text.as_str()).collect()
    }

    /// Some reason says that evicting pods could not help.
    pub fn is_unresolvable(&self, node: &str) -> bool {
        self.rejected.get(node).into_iter().flatten().any(|reason| reason.unresolvable)
    }

    /// As an event tells it, sorted: `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`
    pub fn message(&self) -> String {
        let available = format!("{}/{} nodes are available", self.feasible().len(), self.asked.len());
        if let Some(reason) = &self.pod {
            return format!("{available}: {reason}.");
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        self.rejected.values().flatten().for_each(|reason| *counts.entry(&reason.text).or_default() += 1);
        let mut counts: Vec<String> = counts.iter().map(|(text, count)| format!("{count} {text}")).collect();
        counts.sort();
        if counts.is_empty() {
            format!("{available}.")
        } else {
            format!("{available}: {}.", counts.join(", "))
        }
    }

    /// The part of it that is about these nodes.
    pub fn among(&self, names: &BTreeSet<String>) -> Filtered {
        let rejected = self.rejected.iter().filter(|(name, _)| names.contains(*name));
        Filtered {
            pod: self.pod.clone(),
            rejected: rejected.map(|(name, reasons)| (name.clone(), reasons.clone())).collect(),
            asked: self.asked.intersection(names).cloned().collect(),
        }
    }
}
