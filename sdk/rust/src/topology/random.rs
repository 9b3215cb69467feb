//! Chance for property tests: whatever is drawn comes from a tape of numbers, which the testing
//! library makes and, after a failure, shortens. [`play`] changes a cluster at random and holds a
//! policy's answers against those of somebody who looks at every node and every pod each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde_json::Value;

use crate::scheduler::{Delta, NodeSet, Policy, Rejection, Verdict};

pub struct Dice<'a> {
    tape: &'a [u16],
}

impl<'a> Dice<'a> {
    pub fn new(tape: &'a [u16]) -> Self {
        Dice { tape }
    }

    /// Nothing is left of the tape: everything that is drawn now is the first of its kind.
    pub fn is_over(&self) -> bool {
        self.tape.is_empty()
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: usize) -> usize {
        let Some((first, rest)) = self.tape.split_first() else { return 0 };
        self.tape = rest;
        usize::from(*first) % sides
    }

    pub fn pick<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.roll(items.len())]
    }

    /// True once in so many times.
    pub fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == sides - 1
    }
}

/// What was placed so far, as the naive answers want to see it.
#[derive(Debug, Default)]
pub struct Placed {
    /// By index.
    pub nodes: BTreeMap<usize, Value>,
    /// By uid, with the node's index.
    pub pods: BTreeMap<String, (usize, Value)>,
}

/// A policy's own part of a play: what may come, and what is to be answered.
pub trait Naive {
    type Policy: Policy;
    /// What must be right about a node that is ruled out.
    type Ruling: Debug + PartialEq;

    fn placed(&mut self) -> &mut Placed;

    /// A node for this index, of so many.
    fn draw_node(dice: &mut Dice<'_>, index: usize, size: usize) -> Value;
    /// A pod that runs.
    fn draw_pod(dice: &mut Dice<'_>, uid: &str) -> Value;
    /// A pod that is to be placed.
    fn draw_question(dice: &mut Dice<'_>) -> Value;
    /// Changes an object that is neither node nor pod; the policy is told.
    fn change_object(&mut self, dice: &mut Dice<'_>, policy: &mut Self::Policy);

    /// Every node that the pod cannot go to.
    fn filter(&self, pod: &Value) -> BTreeMap<usize, Self::Ruling>;
    fn score(&self, pod: &Value, nodes: &BTreeSet<usize>) -> Vec<u32>;
    fn ruling(rejection: &Rejection) -> Self::Ruling;
}

/// Plays a tape to its end with up to `size` nodes; panics where the answers differ.
pub fn play<N: Naive>(tape: &[u16], size: usize, policy: N::Policy, naive: N) {
    let mut world = World { dice: Dice::new(tape), size, policy, naive, asked: Vec::new() };
    (0..size).for_each(|_| world.upsert_node());
    while !world.dice.is_over() {
        world.step();
    }
    world.ask();
}

struct World<'a, N: Naive> {
    dice: Dice<'a>,
    /// Indexes that nodes may have.
    size: usize,
    policy: N::Policy,
    naive: N,
    /// Asked again when the cluster has changed.
    asked: Vec<Value>,
}

impl<N: Naive> World<'_, N> {
    fn step(&mut self) {
        match self.dice.roll(12) {
            0 | 1 => self.upsert_node(),
            2 => self.remove_node(),
            3..=6 => self.upsert_pod(),
            7 => self.remove_pod(),
            8 => self.naive.change_object(&mut self.dice, &mut self.policy),
            _ => self.ask(),
        }
    }

    fn tell(&mut self, delta: Delta) {
        self.policy.sync(delta).expect("what is drawn can be read");
    }

    fn upsert_node(&mut self) {
        let index = self.dice.roll(self.size);
        let node = N::draw_node(&mut self.dice, index, self.size);
        self.tell(Delta::NodeUpsert { index, node: node.to_string() });
        self.naive.placed().nodes.insert(index, node);
    }

    fn remove_node(&mut self) {
        let index = self.dice.roll(self.size);
        if self.naive.placed().nodes.remove(&index).is_some() {
            self.tell(Delta::NodeRemove { index });
        }
    }

    fn upsert_pod(&mut self) {
        let uid = self.uid();
        let node = self.dice.roll(self.size);
        let pod = N::draw_pod(&mut self.dice, &uid);
        self.tell(Delta::PodUpsert { key: uid.clone(), node, pod: pod.to_string() });
        self.naive.placed().pods.insert(uid, (node, pod));
    }

    fn remove_pod(&mut self) {
        let uid = self.uid();
        self.naive.placed().pods.remove(&uid);
        self.tell(Delta::PodRemove { key: uid });
    }

    fn uid(&mut self) -> String {
        format!("u{}", self.dice.roll(3 * self.size))
    }

    /// About all nodes, and about some of them.
    fn ask(&mut self) {
        let again = !self.asked.is_empty() && !self.dice.one_in(3);
        let pod = if again { self.dice.pick(&self.asked).clone() } else { N::draw_question(&mut self.dice) };
        self.asked.push(pod.clone());
        let nodes: BTreeSet<usize> = self.naive.placed().nodes.keys().copied().collect();
        let keep = 1 + self.dice.roll(3);
        let some = nodes.iter().copied().filter(|node| node % 3 < keep).collect();
        for asked in [nodes, some] {
            self.compare(&pod, &asked);
        }
    }

    fn compare(&mut self, pod: &Value, asked: &BTreeSet<usize>) {
        let (text, set) = (pod.to_string(), asked.iter().copied().collect());
        let mut expected = self.naive.filter(pod);
        expected.retain(|node, _| asked.contains(node));
        assert_eq!(self.rulings(&text, &set), expected, "filter {pod:#}");
        let mut scores = self.policy.score(&text, &set).expect("the question can be read");
        if scores.is_empty() {
            scores = vec![0; asked.len()];
        }
        assert_eq!(scores, self.naive.score(pod, asked), "score {pod:#} on {asked:?}");
    }

    fn rulings(&mut self, pod: &str, nodes: &NodeSet) -> BTreeMap<usize, N::Ruling> {
        let rejections = match self.policy.filter(pod, nodes).expect("the question can be read") {
            Verdict::Nodes(rejections) => rejections,
            Verdict::Pod(reason) => panic!("the pod itself was rejected: {reason}"),
        };
        let mut rulings = BTreeMap::new();
        for rejection in &rejections {
            for node in rejection.nodes.iter() {
                let before = rulings.insert(node, N::ruling(rejection));
                assert!(before.is_none(), "node {node} is ruled out once");
            }
        }
        rulings
    }
}
