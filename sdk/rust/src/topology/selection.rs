//! Counts of what was chosen, by node and by domain, kept current by every change.

use std::collections::{BTreeSet, HashMap};

use super::choice::Choice;
use super::eligible::{EligibleId, Eligibles};
use super::group::{Group, Groups, Tag};
use super::key::{Key, KeyId, Keys};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectionId(usize);

/// What a selection has on the eligible nodes, by domain of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterId {
    selection: usize,
    counter: usize,
}

type Grid = (KeyId, EligibleId);

struct Selection {
    choice: Choice,
    /// By node index, whether there is such a node or not.
    nodes: Vec<i32>,
    counters: Vec<Counter>,
}

struct Counter {
    grid: Grid,
    /// Its place among the tables of domains.
    table: usize,
    /// By number of domain.
    counts: Vec<i32>,
}

/// The eligible nodes of each domain.
struct Table {
    grid: Grid,
    nodes: Vec<u32>,
    /// Domains that have any.
    inhabited: usize,
}

/// A counter as it stands.
#[derive(Clone, Copy)]
pub struct Count<'a> {
    pub key: &'a Key,
    /// By number of domain.
    pub counts: &'a [i32],
    nodes: &'a [u32],
    /// Domains with an eligible node.
    pub domains: usize,
}

impl Count<'_> {
    /// The least among the domains with an eligible node.
    pub fn least(&self) -> Option<i32> {
        self.nodes.iter().zip(self.counts).filter(|(nodes, _)| **nodes > 0).map(|(_, count)| *count).min()
    }

    pub fn is_zero(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}

#[derive(Default)]
pub(super) struct Selections {
    selections: Vec<Selection>,
    ids: HashMap<Choice, SelectionId>,
    /// Which may choose a group that has the tag.
    by_tag: HashMap<Tag, Vec<SelectionId>>,
    /// Which may choose any group.
    untagged: Vec<SelectionId>,
    tables: Vec<Table>,
    table_of: HashMap<Grid, usize>,
    cells: usize,
}

impl Selections {
    pub fn find_or_add(&mut self, choice: Choice, groups: &mut Groups, nodes: usize) -> SelectionId {
        if let Some(id) = self.ids.get(&choice) {
            return *id;
        }
        let id = SelectionId(self.selections.len());
        let (candidates, tags) = groups.candidates(choice.tags());
        let mut selection = Selection { choice, nodes: vec![0; nodes], counters: Vec::new() };
        for number in candidates {
            let weight = selection.choice.weigh(&groups[number]);
            if weight != 0 {
                groups.enlist(number, id, weight);
                groups[number].nodes.iter().for_each(|(node, pods)| selection.add(*node, weight * pods));
            }
        }
        match tags {
            Some(tags) => tags.into_iter().for_each(|tag| self.by_tag.entry(tag).or_default().push(id)),
            None => self.untagged.push(id),
        }
        self.cells += nodes;
        self.ids.insert(selection.choice.clone(), id);
        self.selections.push(selection);
        id
    }

    /// Tells a new group, that no pod is of yet, who counts it.
    pub fn enlist(&self, number: usize, groups: &mut Groups) {
        let tagged = groups[number].tags().filter_map(|tag| self.by_tag.get(&tag)).flatten();
        let candidates: BTreeSet<SelectionId> = tagged.chain(&self.untagged).copied().collect();
        for id in candidates {
            let weight = self.selections[id.0].choice.weigh(&groups[number]);
            if weight != 0 {
                groups.enlist(number, id, weight);
            }
        }
    }

    pub fn count(&mut self, group: &Group, node: usize, pods: i32, keys: &Keys, eligibles: &Eligibles) {
        for (id, weight) in &group.selections {
            let selection = &mut self.selections[id.0];
            selection.add(node, weight * pods);
            for counter in &mut selection.counters {
                let (key, eligible) = counter.grid;
                if eligibles[eligible].contains(node) {
                    counter.counts[keys[key].of_node()[node] as usize] += weight * pods;
                }
            }
        }
    }

    pub fn count_by(&mut self, id: SelectionId, grid: Grid, keys: &Keys, eligibles: &Eligibles) -> CounterId {
        let table = self.table(grid, keys, eligibles);
        let Selection { nodes, counters, .. } = &mut self.selections[id.0];
        let known = counters.iter().position(|counter| counter.table == table);
        let counter = known.unwrap_or_else(|| {
            let key = &keys[grid.0];
            let mut counts = vec![0; key.domains()];
            let domains = key.of_node();
            eligibles[grid.1].iter().for_each(|node| counts[domains[node] as usize] += nodes[node]);
            self.cells += counts.len();
            counters.push(Counter { grid, table, counts });
            counters.len() - 1
        });
        CounterId { selection: id.0, counter }
    }

    fn table(&mut self, grid: Grid, keys: &Keys, eligibles: &Eligibles) -> usize {
        if let Some(table) = self.table_of.get(&grid) {
            return *table;
        }
        let key = &keys[grid.0];
        let mut table = Table { grid, nodes: vec![0; key.domains()], inhabited: 0 };
        eligibles[grid.1].iter().for_each(|node| table.enter(key.of_node()[node] as usize));
        self.cells += table.nodes.len();
        self.tables.push(table);
        self.table_of.insert(grid, self.tables.len() - 1);
        self.tables.len() - 1
    }

    pub fn read<'a>(&'a self, id: CounterId, keys: &'a Keys) -> Count<'a> {
        let counter = &self.selections[id.selection].counters[id.counter];
        let table = &self.tables[counter.table];
        Count {
            key: &keys[counter.grid.0],
            counts: &counter.counts,
            nodes: &table.nodes,
            domains: table.inhabited,
        }
    }

    pub fn on_nodes(&self, id: SelectionId) -> &[i32] {
        &self.selections[id.0].nodes
    }

    /// The node is about to change: its pods leave their domains.
    pub fn leave(&mut self, node: usize, keys: &Keys, eligibles: &Eligibles) {
        let domain = |(key, eligible): Grid| {
            eligibles[eligible].contains(node).then(|| keys[key].of_node()[node] as usize)
        };
        for table in &mut self.tables {
            domain(table.grid).into_iter().for_each(|domain| table.leave(domain));
        }
        for selection in &mut self.selections {
            let pods = selection.nodes.get(node).copied().unwrap_or(0);
            for counter in &mut selection.counters {
                domain(counter.grid).into_iter().for_each(|domain| counter.counts[domain] -= pods);
            }
        }
    }

    /// The node has changed: its pods enter their domains, which may be new.
    pub fn enter(&mut self, node: usize, keys: &Keys, eligibles: &Eligibles) {
        let domain = |(key, eligible): Grid| {
            eligibles[eligible].contains(node).then(|| keys[key].of_node()[node] as usize)
        };
        for table in &mut self.tables {
            table.nodes.resize(keys[table.grid.0].domains(), 0);
            domain(table.grid).into_iter().for_each(|domain| table.enter(domain));
        }
        for selection in &mut self.selections {
            selection.add(node, 0);
            for counter in &mut selection.counters {
                counter.counts.resize(keys[counter.grid.0].domains(), 0);
                let pods = selection.nodes[node];
                domain(counter.grid).into_iter().for_each(|domain| counter.counts[domain] += pods);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.selections.len()
    }

    /// Numbers held.
    pub fn cells(&self) -> usize {
        self.cells
    }

    pub fn clear(&mut self, groups: &mut Groups) {
        groups.delist_all();
        *self = Selections::default();
    }
}

impl Selection {
    fn add(&mut self, node: usize, pods: i32) {
        if node >= self.nodes.len() {
            self.nodes.resize(node + 1, 0);
        }
        self.nodes[node] += pods;
    }
}

impl Table {
    fn enter(&mut self, domain: usize) {
        self.inhabited += usize::from(self.nodes[domain] == 0);
        self.nodes[domain] += 1;
    }

    fn leave(&mut self, domain: usize) {
        self.nodes[domain] -= 1;
        self.inhabited -= usize::from(self.nodes[domain] == 0);
    }
}
