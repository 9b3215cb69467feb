//! What a plugin answered, kept for pods that look the same to it, and brought up to date by asking
//! about those nodes alone that changed since.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use orch_plugin::calls::NodeSet;
use orch_plugin::calls::scheduler::{Normalization, Rejection, Verdict};

use crate::nodeset;

/// Different pods whose answers are kept.
const KEPT: usize = 512;
/// Changed nodes that are remembered one by one; what is older is asked from the beginning.
const REMEMBERED: usize = 16_384;

/// Counts the changes a plugin was told, and remembers which nodes they were about.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    count: u64,
    log: VecDeque<(u64, u32)>,
    /// Answers from before this are of no use: something was told that belongs to no node.
    horizon: u64,
}

impl Touched {
    pub fn now(&self) -> u64 {
        self.count
    }

    pub fn node(&mut self, index: u32) {
        self.count += 1;
        self.log.push_back((self.count, index));
        if self.log.len() > REMEMBERED
            && let Some((count, _)) = self.log.pop_front()
        {
            self.horizon = self.horizon.max(count);
        }
    }

    pub fn everything(&mut self) {
        self.count += 1;
        self.horizon = self.count;
        self.log.clear();
    }

    /// The nodes touched after `count`; `None`: possibly all.
    fn since(&self, count: u64) -> Option<NodeSet> {
        if count < self.horizon {
            return None;
        }
        let mut nodes = NodeSet::new();
        for (_, index) in self.log.iter().rev().take_while(|(at, _)| *at > count) {
            nodeset::insert(&mut nodes, *index);
        }
        Some(nodes)
    }

    /// Which of `wanted` must be asked about again for an answer of that time.
    pub fn to_ask(&self, answered: u64, wanted: &NodeSet) -> Option<NodeSet> {
        let stale = nodeset::intersection(wanted, &self.since(answered)?);
        // Beyond a quarter one whole question is simpler and no dearer.
        (nodeset::count(&stale) * 4 <= nodeset::count(wanted)).then_some(stale)
    }
}

/// A filter's answer.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub at: u64,
    pub asked: NodeSet,
    /// The pod is rejected as such.
    pub pod: Option<String>,
    pub rejections: Vec<Rejection>,
    /// The union over the rejections.
    pub rejected: NodeSet,
}

impl Judged {
    pub fn new(at: u64, asked: NodeSet, verdict: Verdict) -> Self {
        let mut judged = Judged { rejected: vec![0; asked.len()], asked, ..Judged::default() };
        judged.update(at, &[], verdict);
        judged
    }

    /// Takes over a later verdict about these nodes.
    pub fn update(&mut self, at: u64, nodes: &[u64], verdict: Verdict) {
        self.at = at;
        let rejections = match verdict {
            Verdict::Pod(reason) => {
                self.pod = Some(reason);
                return;
            }
            Verdict::Nodes(rejections) => rejections,
        };
        if nodes.len() > self.rejected.len() {
            self.rejected.resize(nodes.len(), 0);
        }
        nodeset::subtract(&mut self.rejected, nodes);
        self.rejections.iter_mut().for_each(|known| nodeset::subtract(&mut known.nodes, nodes));
        let whole = nodes.is_empty();
        for mut rejection in rejections {
            if !whole {
                rejection.nodes = nodeset::intersection(&rejection.nodes, nodes);
            }
            if rejection.nodes.len() > self.rejected.len() {
                rejection.nodes.truncate(self.rejected.len());
            }
            nodeset::unite(&mut self.rejected, &rejection.nodes);
            self.add(rejection);
        }
        self.rejections.retain(|known| !nodeset::is_empty(&known.nodes));
    }

    fn add(&mut self, rejection: Rejection) {
        let same = |known: &&mut Rejection| {
            known.reason == rejection.reason && known.unresolvable == rejection.unresolvable
        };
        match self.rejections.iter_mut().find(same) {
            Some(known) => {
                if known.nodes.len() < rejection.nodes.len() {
                    known.nodes.resize(rejection.nodes.len(), 0);
                }
                nodeset::unite(&mut known.nodes, &rejection.nodes);
            }
            None => self.rejections.push(rejection),
        }
    }
}

/// A score's answer, by node index.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    pub at: u64,
    pub asked: NodeSet,
    raw: Vec<u32>,
    /// All nodes have this one: it decides nothing.
    uniform: Option<u32>,
    /// `raw` normalised to this highest score.
    normalized: Option<(u32, Vec<u32>)>,
}

impl Scored {
    /// No scores at all are zeros.
    pub fn new(at: u64, asked: NodeSet, scores: &[u32]) -> Self {
        if scores.is_empty() {
            return Scored { at, asked, uniform: Some(0), ..Scored::default() };
        }
        let uniform = scores.first().copied().filter(|first| scores.iter().all(|score| score == first));
        let mut scored = Scored { raw: vec![0; asked.len() * 64], uniform, ..Scored::default() };
        scored.put(&asked, scores);
        Scored { at, asked, ..scored }
    }

    pub fn update(&mut self, at: u64, nodes: &NodeSet, scores: &[u32]) {
        self.at = at;
        let zeros = vec![0; if scores.is_empty() { nodeset::count(nodes) } else { 0 }];
        let scores = if scores.is_empty() { &zeros } else { scores };
        if self.uniform.is_some_and(|uniform| scores.iter().any(|score| *score != uniform)) {
            self.uniform = None;
        }
        if self.raw.len() < nodes.len() * 64 {
            self.raw.resize(nodes.len() * 64, 0);
        }
        self.normalized = None;
        self.put(nodes, scores);
    }

    fn put(&mut self, nodes: &NodeSet, scores: &[u32]) {
        for (index, score) in nodeset::indexes(nodes).zip(scores) {
            self.raw[index as usize] = *score;
        }
    }

    /// Adds to the totals what these scores are worth among the feasible nodes.
    pub fn weigh(
        &mut self,
        normalization: Normalization,
        weight: i64,
        feasible: &NodeSet,
        totals: &mut [i64],
    ) {
        if self.uniform.is_some() {
            return;
        }
        let scores = match normalization {
            Normalization::None => &self.raw,
            Normalization::Highest | Normalization::HighestReversed => {
                let score = |index: u32| self.raw.get(index as usize).copied().unwrap_or(0);
                let highest = nodeset::indexes(feasible).map(score).max().unwrap_or(0);
                if highest == 0 {
                    return;
                }
                self.normalized_to(highest)
            }
        };
        let weight = if normalization == Normalization::HighestReversed { -weight } else { weight };
        for (total, score) in totals.iter_mut().zip(scores) {
            *total += weight * i64::from(*score);
        }
    }

    fn normalized_to(&mut self, highest: u32) -> &Vec<u32> {
        let known = self.normalized.take().filter(|(to, _)| *to == highest);
        let (_, scores) = self.normalized.insert(known.unwrap_or_else(|| {
            let normalize = |raw: &u32| (u64::from(*raw) * 100 / u64::from(highest)).min(100) as u32;
            (highest, self.raw.iter().map(normalize).collect())
        }));
        scores
    }
}

/// A pod as it is put to one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub sent: Arc<str>,
    /// Where its answer is kept; `None`: every pod is asked about.
    pub kept: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub judged: Option<Judged>,
    pub scored: Option<Scored>,
}

/// Answers by what a plugin reads of a pod.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Pods of one shape are not even cut down twice.
    by_shape: HashMap<u64, Question>,
    by_text: HashMap<String, usize>,
    kept: Vec<Answer>,
}

impl Answers {
    pub fn of_shape(&self, shape: u64) -> Option<Question> {
        self.by_shape.get(&shape).cloned()
    }

    /// A question under the text that equal pods have in common.
    pub fn intern(&mut self, shape: u64, text: String, sent: Arc<str>) -> Question {
        if self.kept.len() >= KEPT || self.by_shape.len() >= 8 * KEPT {
            self.clear();
        }
        let next = self.kept.len();
        let position = *self.by_text.entry(text).or_insert(next);
        if position == next {
            self.kept.push(Answer::default());
        }
        let question = Question { sent, kept: Some(position) };
        self.by_shape.insert(shape, question.clone());
        question
    }

    pub fn get(&mut self, position: usize) -> Option<&mut Answer> {
        self.kept.get_mut(position)
    }

    pub fn clear(&mut self) {
        *self = Answers::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(reason: &str, nodes: u64) -> Rejection {
        Rejection { reason: reason.into(), nodes: vec![nodes], unresolvable: false }
    }

    #[test]
    fn a_later_verdict_replaces_its_nodes_alone() {
        let first = Verdict::Nodes(vec![rejection("cpu", 0b0110), rejection("memory", 0b0010)]);
        let mut judged = Judged::new(1, vec![0b1111], first);
        assert_eq!(judged.rejected, [0b0110]);
        judged.update(2, &[0b0011], Verdict::Nodes(vec![rejection("cpu", 0b1001)]));
        assert_eq!(judged.rejected, [0b0101]);
        assert_eq!(judged.rejections, [rejection("cpu", 0b0101)]);
    }

    #[test]
    fn only_touched_nodes_are_asked_again() {
        let mut touched = Touched::default();
        let all = vec![u64::MAX];
        touched.node(3);
        let answered = touched.now();
        touched.node(5);
        touched.node(70);
        assert_eq!(touched.to_ask(answered, &all), Some(vec![1 << 5]));
        assert_eq!(touched.to_ask(touched.now(), &all), Some(vec![]));
        touched.everything();
        assert_eq!(touched.to_ask(answered, &all), None);
        (0..40).for_each(|index| touched.node(index));
        assert_eq!(touched.to_ask(touched.now() - 40, &all), None, "too many to be worth it");
    }

    #[test]
    fn what_is_forgotten_is_asked_whole() {
        let mut touched = Touched::default();
        (0..REMEMBERED + 2).for_each(|_| touched.node(1));
        assert_eq!(touched.to_ask(1, &vec![u64::MAX]), None);
        assert!(touched.to_ask(2, &vec![u64::MAX]).is_some());
    }

    #[test]
    fn scores_are_normalised_over_the_feasible_nodes() {
        let mut totals = vec![0; 64];
        let mut scored = Scored::new(1, vec![0b1111], &[1, 4, 1000, 0]);
        scored.weigh(Normalization::Highest, 2, &vec![0b0011], &mut totals);
        assert_eq!(totals[..2], [50, 200]);
        let mut totals = vec![0; 64];
        scored.weigh(Normalization::HighestReversed, 1, &vec![0b0011], &mut totals);
        assert!(totals[0] > totals[1]);
        scored.update(2, &vec![0b0010], &[2]);
        let mut totals = vec![0; 64];
        scored.weigh(Normalization::Highest, 1, &vec![0b0011], &mut totals);
        assert_eq!(totals[..2], [50, 100]);
    }

    #[test]
    fn equal_scores_decide_nothing() {
        let mut totals = vec![0; 64];
        let mut scored = Scored::new(1, vec![0b11], &[7, 7]);
        scored.weigh(Normalization::None, 1, &vec![0b11], &mut totals);
        assert_eq!(totals[..2], [0, 0]);
        scored.update(2, &vec![0b10], &[8]);
        scored.weigh(Normalization::None, 1, &vec![0b11], &mut totals);
        assert_eq!(totals[..2], [7, 8]);
    }

    #[test]
    fn no_scores_are_zeros() {
        let weighed = |scored: &mut Scored| {
            let mut totals = vec![0; 64];
            scored.weigh(Normalization::None, 1, &vec![0b11], &mut totals);
            (totals[0], totals[1])
        };
        let mut scored = Scored::new(1, vec![0b11], &[]);
        assert_eq!(weighed(&mut scored), (0, 0));
        scored.update(2, &vec![0b10], &[8]);
        assert_eq!(weighed(&mut scored), (0, 8));
        scored.update(3, &vec![0b01], &[5]);
        assert_eq!(weighed(&mut scored), (5, 8));
        scored.update(4, &vec![0b10], &[]);
        assert_eq!(weighed(&mut scored), (5, 0));
        let mut scored = Scored::new(1, vec![0b11], &[7, 7]);
        scored.update(2, &vec![0b01], &[]);
        assert_eq!(weighed(&mut scored), (0, 7));
    }
}
