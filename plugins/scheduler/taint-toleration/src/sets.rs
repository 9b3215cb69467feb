//! The sets of taints that nodes carry, and which node carries which.

use std::cell::RefCell;

use orch_sdk::toleration::Taint;

#[derive(Default)]
pub struct TaintSets {
    /// The set of each node, by node index.
    nodes: Vec<Option<u32>>,
    sets: Vec<TaintSet>,
}

#[derive(Default)]
struct TaintSet {
    taints: Vec<Taint>,
    nodes: usize,
}

impl TaintSets {
    /// Puts the node into the set of these taints; nowhere when it is gone.
    pub fn place(&mut self, index: usize, taints: Option<Vec<Taint>>) {
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        if let Some(before) = self.nodes[index].take() {
            self.sets[before as usize].nodes -= 1;
        }
        if let Some(taints) = taints {
            let set = self.set_of(taints);
            self.sets[set].nodes += 1;
            self.nodes[index] = Some(set as u32);
        }
    }

    /// The place of the set, an emptied one used again.
    fn set_of(&mut self, taints: Vec<Taint>) -> usize {
        if let Some(known) = self.sets.iter().position(|set| set.nodes > 0 && set.taints == taints) {
            return known;
        }
        let place = self.sets.iter().position(|set| set.nodes == 0).unwrap_or_else(|| {
            self.sets.push(TaintSet::default());
            self.sets.len() - 1
        });
        self.sets[place].taints = taints;
        place
    }

    /// Answers by node what is asked of its taints: at most once for each set.
    pub fn ask<T: Copy, F: Fn(&[Taint]) -> T>(&self, question: F) -> Answers<'_, T, F> {
        Answers { sets: self, question, known: RefCell::new(vec![None; self.sets.len()]) }
    }
}

pub struct Answers<'a, T, F> {
    sets: &'a TaintSets,
    question: F,
    known: RefCell<Vec<Option<T>>>,
}

impl<T: Copy, F: Fn(&[Taint]) -> T> Answers<'_, T, F> {
    /// Nothing for an index without a node.
    pub fn of(&self, node: usize) -> Option<T> {
        let set = (*self.sets.nodes.get(node)?)? as usize;
        let known = &mut self.known.borrow_mut()[set];
        Some(*known.get_or_insert_with(|| (self.question)(&self.sets.sets[set].taints)))
    }
}
