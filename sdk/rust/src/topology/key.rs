//! Topology keys, and the domains that the nodes' values for them make.

use std::collections::HashMap;
use std::ops::{AddAssign, Index};

use super::Labels;
use super::place::Nodes;
use crate::scheduler::NodeSet;

/// While a key has no more domains than this, the nodes of each are kept as a set.
const SETS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) usize);

/// A topology key. Domains are numbered from 1; 0 is where indexes without a node are. Nodes without
/// the label are in the domain of the empty value (as upstream's score has it); `labelled` tells.
#[derive(Debug)]
pub struct Key {
    name: String,
    of_node: Vec<u32>,
    numbers: HashMap<String, u32>,
    /// By number. Those without nodes are used again.
    domains: Vec<Domain>,
    free: Vec<u32>,
    labelled: NodeSet,
    /// Nodes without the label.
    unlabelled: usize,
    /// The nodes of each domain, by number.
    sets: Option<Vec<NodeSet>>,
}

#[derive(Debug, Default)]
struct Domain {
    value: String,
    nodes: usize,
}

impl Key {
    fn new(name: &str) -> Self {
        Key {
            name: name.into(),
            of_node: Vec::new(),
            numbers: HashMap::new(),
            domains: vec![Domain::default()],
            free: Vec::new(),
            labelled: NodeSet::new(),
            unlabelled: 0,
            sets: Some(vec![NodeSet::new()]),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of each node's domain, by node index.
    pub fn of_node(&self) -> &[u32] {
        &self.of_node
    }

    /// The nodes that have the label.
    pub fn labelled(&self) -> &NodeSet {
        &self.labelled
    }

    /// One more than the highest number of a domain.
    pub fn domains(&self) -> usize {
        self.domains.len()
    }

    /// The nodes of domains that count more than this; `counts` by number of domain.
    pub fn nodes_over(&self, counts: &[i32], most: i32) -> NodeSet {
        if let Some(sets) = &self.sets {
            let mut nodes = NodeSet::with_capacity(self.of_node.len());
            let over = sets.iter().zip(counts).skip(1).filter(|(_, count)| **count > most);
            over.for_each(|(set, _)| nodes.extend(set));
            return nodes;
        }
        let word = |domains: &[u32]| {
            let mut word = 0;
            for (bit, domain) in domains.iter().enumerate() {
                word |= u64::from(counts[*domain as usize] > most) << bit;
            }
            word
        };
        NodeSet::from_words(self.of_node.chunks(64).map(word).collect())
    }

    /// Adds to every node that has the label what its domain has, both by number.
    pub fn add_to_nodes<T: Copy + AddAssign>(&self, sums: &mut [T], of_domain: &[T]) {
        let every = sums.iter_mut().zip(&self.of_node);
        if self.unlabelled == 0 {
            every.for_each(|(sum, domain)| *sum += of_domain[*domain as usize]);
        } else {
            let labelled = every.enumerate().filter(|(node, _)| self.labelled.contains(*node));
            labelled.for_each(|(_, (sum, domain))| *sum += of_domain[*domain as usize]);
        }
    }

    /// How many domains the nodes of the set are in.
    pub fn domains_of(&self, nodes: &NodeSet) -> usize {
        if let Some(sets) = &self.sets {
            return sets.iter().skip(1).filter(|set| set.intersects(nodes)).count();
        }
        let mut seen = vec![false; self.domains.len()];
        seen[0] = true;
        let domains = nodes.iter().filter_map(|node| self.of_node.get(node));
        domains.filter(|domain| !std::mem::replace(&mut seen[**domain as usize], true)).count()
    }

    fn place(&mut self, index: usize, labels: Option<&Labels>) {
        if index >= self.of_node.len() {
            self.of_node.resize(index + 1, 0);
        }
        self.leave(index);
        let Some(labels) = labels else { return };
        let value = labels.get(&self.name);
        match value {
            Some(_) => self.labelled.insert(index),
            None => self.unlabelled += 1,
        }
        self.enter(index, value.map_or("", String::as_str));
    }

    fn leave(&mut self, index: usize) {
        let number = std::mem::take(&mut self.of_node[index]);
        if number == 0 {
            return;
        }
        if !self.labelled.contains(index) {
            self.unlabelled -= 1;
        }
        self.labelled.remove(index);
        if let Some(sets) = &mut self.sets {
            sets[number as usize].remove(index);
        }
        let domain = &mut self.domains[number as usize];
        domain.nodes -= 1;
        if domain.nodes == 0 {
            self.numbers.remove(&domain.value);
            self.free.push(number);
        }
    }

    fn enter(&mut self, index: usize, value: &str) {
        let number = self.number_of(value);
        self.of_node[index] = number;
        self.domains[number as usize].nodes += 1;
        if let Some(sets) = &mut self.sets {
            sets[number as usize].insert(index);
        }
    }

    fn number_of(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| self.add_domain());
        self.domains[number as usize].value = value.into();
        self.numbers.insert(value.into(), number);
        number
    }

    fn add_domain(&mut self) -> u32 {
        self.domains.push(Domain::default());
        match &mut self.sets {
            Some(sets) if sets.len() <= SETS => sets.push(NodeSet::new()),
            sets => *sets = None,
        }
        self.domains.len() as u32 - 1
    }
}

#[derive(Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    ids: HashMap<String, KeyId>,
}

impl Keys {
    pub fn find_or_add(&mut self, name: &str, nodes: &Nodes) -> KeyId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let mut key = Key::new(name);
        if let Some(last) = nodes.len().checked_sub(1) {
            key.place(last, None);
        }
        nodes.iter().for_each(|(index, node)| key.place(index, Some(&node.metadata.labels)));
        let id = KeyId(self.keys.len());
        self.keys.push(key);
        self.ids.insert(name.into(), id);
        id
    }

    pub fn place(&mut self, index: usize, labels: Option<&Labels>) {
        self.keys.iter_mut().for_each(|key| key.place(index, labels));
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn clear(&mut self) {
        *self = Keys::default();
    }
}

impl Index<KeyId> for Keys {
    type Output = Key;
    fn index(&self, id: KeyId) -> &Key {
        &self.keys[id.0]
    }
}
