//! Pods and nodes held so that "how many such pods are in each domain" needs no look at any pod.
//!
//! Equal pods (namespace, labels, marks) are one [`Group`]. What is asked about is a [`Choice`] of
//! groups; the first question about a choice counts its pods, by node and by the domains of a topology
//! key, and from then on every change keeps those counts current. The counts are bounded: once they
//! take too much room, [`Topology::trim`] forgets them all, and what is asked again is counted again.
//! What a policy remembers of them ([`SelectionId`], [`CounterId`]) holds for one [`Topology::epoch`].

use std::collections::BTreeMap;

use crate::node::Node;

mod choice;
mod eligible;
mod group;
mod key;
mod place;
mod question;
#[cfg(not(target_family = "wasm"))]
pub mod random;
mod selection;
#[cfg(test)]
mod tests;

pub use choice::{Choice, Clause, Mark, Namespaces};
pub use eligible::{EligibleId, Rule};
pub use group::Group;
pub use key::{Key, KeyId};
pub use question::{Questions, RawMetadata, RawPod};
pub use selection::{Count, CounterId, SelectionId};

use eligible::Eligibles;
use group::Groups;
use key::Keys;
use place::Nodes;
use selection::Selections;

/// Counts kept at once, in numbers of four bytes.
const MAX_CELLS: usize = 4 << 20;
const MAX_SELECTIONS: usize = 1024;
const MAX_KEYS: usize = 64;
const MAX_ELIGIBLES: usize = 256;

#[derive(Default)]
pub struct Topology {
    nodes: Nodes,
    keys: Keys,
    eligibles: Eligibles,
    groups: Groups,
    selections: Selections,
    epoch: u64,
}

impl Topology {
    /// The node at this index, new or changed.
    pub fn upsert_node(&mut self, index: usize, node: Node) {
        if self.nodes.get(index) == Some(&node) {
            return;
        }
        self.replace(index, Some(node));
    }

    pub fn remove_node(&mut self, index: usize) {
        if self.nodes.get(index).is_some() {
            self.replace(index, None);
        }
    }

    fn replace(&mut self, index: usize, node: Option<Node>) {
        self.selections.leave(index, &self.keys, &self.eligibles);
        let known = node.as_ref();
        self.keys.place(index, known.map(|node| &node.metadata.labels));
        self.eligibles.place(index, known);
        self.nodes.place(index, node);
        self.selections.enter(index, &self.keys, &self.eligibles);
    }

    /// A pod on the node at this index, new or changed. `text` is what its group is known by: equal
    /// texts mean equal `(namespace, labels, marks)`, which is read only for the first of its kind.
    pub fn upsert_pod<E>(
        &mut self,
        uid: &str,
        node: usize,
        text: &str,
        read: impl FnOnce() -> Result<Group, E>,
    ) -> Result<(), E> {
        let group = match self.groups.find(text) {
            Some(group) => group,
            None => {
                let group = self.groups.add(text, read()?);
                self.selections.enlist(group, &mut self.groups);
                group
            }
        };
        let before = self.groups.locate(uid);
        if before == Some((group, node)) {
            return Ok(());
        }
        self.count(group, node, 1);
        self.groups.settle(uid, group, node);
        if let Some((group, node)) = before {
            self.leave(group, node);
        }
        Ok(())
    }

    pub fn remove_pod(&mut self, uid: &str) {
        if let Some((group, node)) = self.groups.unsettle(uid) {
            self.leave(group, node);
        }
    }

    fn leave(&mut self, group: usize, node: usize) {
        self.count(group, node, -1);
        self.groups.drop_empty(group);
    }

    fn count(&mut self, group: usize, node: usize, pods: i32) {
        self.groups.count(group, node, pods);
        let group = &self.groups[group];
        self.selections.count(group, node, pods, &self.keys, &self.eligibles);
    }

    /// The marks of groups that are gone since the last call.
    pub fn take_released(&mut self) -> Vec<(Mark, i32)> {
        self.groups.take_released()
    }

    /// Forgets the counts when they have become too many. To be called before a question, not within.
    pub fn trim(&mut self) {
        let crowded = self.keys.len() > MAX_KEYS || self.eligibles.len() > MAX_ELIGIBLES;
        if crowded || self.selections.len() > MAX_SELECTIONS || self.selections.cells() > MAX_CELLS {
            self.selections.clear(&mut self.groups);
            self.epoch += 1;
        }
        if crowded {
            self.eligibles.clear();
            self.keys.clear();
        }
    }

    /// Changes when what was counted is forgotten, and every id with it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn key(&mut self, name: &str) -> KeyId {
        self.keys.find_or_add(name, &self.nodes)
    }

    pub fn read_key(&self, key: KeyId) -> &Key {
        &self.keys[key]
    }

    /// The nodes a rule admits.
    pub fn eligible(&mut self, rule: Rule) -> EligibleId {
        self.eligibles.find_or_add(rule, &self.nodes)
    }

    pub fn select(&mut self, choice: Choice) -> SelectionId {
        self.selections.find_or_add(choice, &mut self.groups, self.nodes.len())
    }

    /// Counts what is selected on the eligible nodes by their domain.
    pub fn count_by(&mut self, selection: SelectionId, key: KeyId, eligible: EligibleId) -> CounterId {
        self.selections.count_by(selection, (key, eligible), &self.keys, &self.eligibles)
    }

    pub fn read(&self, counter: CounterId) -> Count<'_> {
        self.selections.read(counter, &self.keys)
    }

    /// How many are selected, by node index; at least as long as there are nodes.
    pub fn on_nodes(&self, selection: SelectionId) -> &[i32] {
        self.selections.on_nodes(selection)
    }

    /// One more than the highest index of a node so far.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Labels in the order of their keys.
pub type Labels = BTreeMap<String, String>;
