//! One scheduling cycle: filters rule nodes out, scores rank the rest.

use std::time::Instant;

use orch_plugin::calls::scheduler::Rejection;
use orch_plugin::calls::{CallError, NodeSet};

use crate::cluster::Cluster;
use crate::diagnosis::Diagnosis;
use crate::nodeset;
use crate::pod::PodInfo;
use crate::resident::{FailurePolicy, Question, Resident};

#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// The index of the best node.
    Place(u32),
    Rejected(Diagnosis),
    /// Nothing may judge: placing anywhere would be a policy of the host's.
    NoFilters,
    Failed(CallError),
}

pub(crate) fn decide(residents: &mut [Resident], cluster: &Cluster, pod: &PodInfo, now: Instant) -> Decision {
    if !residents.iter().any(Resident::filters) {
        return Decision::NoFilters;
    }
    // A plugin that filters and scores is sent the same text twice.
    let mut asked: Vec<Option<Question>> = residents.iter().map(|_| None).collect();
    let mut cycle = Cycle { cluster, pod, now, asked: &mut asked };
    cycle.run(residents).unwrap_or_else(Decision::Failed)
}

struct Cycle<'a> {
    cluster: &'a Cluster,
    pod: &'a PodInfo,
    now: Instant,
    asked: &'a mut [Option<Question>],
}

impl Cycle<'_> {
    fn run(&mut self, residents: &mut [Resident]) -> Result<Decision, CallError> {
        let mut feasible = self.cluster.live().clone();
        let diagnosis = self.filter(residents, &mut feasible)?;
        match nodeset::count(&feasible) {
            0 => Ok(Decision::Rejected(diagnosis)),
            1 => Ok(Decision::Place(best(&feasible, &[]))),
            _ => Ok(Decision::Place(best(&feasible, &self.score(residents, &feasible)?))),
        }
    }

    /// Takes what the filters reject out of `feasible`.
    fn filter(&mut self, residents: &mut [Resident], feasible: &mut NodeSet) -> Result<Diagnosis, CallError> {
        let mut diagnosis = Diagnosis {
            nodes: self.cluster.len(),
            unresolvable: vec![0; feasible.len()],
            ..Diagnosis::default()
        };
        for (position, resident) in residents.iter_mut().enumerate().filter(|(_, r)| r.filters()) {
            if nodeset::is_empty(feasible) {
                break;
            }
            let answer = self.ask(position, resident, Resident::filter);
            if let Some(rejections) = unless_ignored(resident, answer)? {
                diagnosis.note(&resident.name, &rejections, feasible);
            }
        }
        Ok(diagnosis)
    }

    /// The weighted sums by node index.
    fn score(&mut self, residents: &mut [Resident], feasible: &NodeSet) -> Result<Vec<i64>, CallError> {
        let mut totals = vec![0i64; feasible.len() * 64];
        for (position, resident) in residents.iter_mut().enumerate().filter(|(_, r)| r.scores()) {
            let answer =
                self.ask(position, resident, |resident, question| resident.score(question, feasible));
            let weight = resident.settings.weight;
            if let Some(scores) = unless_ignored(resident, answer)? {
                for (total, score) in totals.iter_mut().zip(scores.iter()) {
                    *total += weight * i64::from(*score);
                }
            }
        }
        Ok(totals)
    }

    fn ask<T>(
        &mut self,
        position: usize,
        resident: &mut Resident,
        call: impl FnOnce(&mut Resident, &Question) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        resident.bring_up_to_date(self.cluster, self.now)?;
        let question = self.asked[position].get_or_insert_with(|| resident.question(self.pod));
        call(resident, question)
    }
}

impl Diagnosis {
    /// Notes why `plugin` rejects nodes that nobody rejected before, and takes them out of `feasible`.
    fn note(&mut self, plugin: &str, rejections: &[Rejection], feasible: &mut NodeSet) {
        let mut rejected = vec![0; feasible.len()];
        for rejection in rejections {
            let nodes = nodeset::intersection(feasible, &rejection.nodes);
            let count = nodeset::count(&nodes);
            if count == 0 {
                continue;
            }
            *self.reasons.entry(rejection.reason.clone()).or_default() += count;
            if rejection.unresolvable {
                nodeset::unite(&mut self.unresolvable, &nodes);
            }
            nodeset::unite(&mut rejected, &nodes);
        }
        if !nodeset::is_empty(&rejected) {
            self.rejected_by.insert(plugin.into());
            nodeset::subtract(feasible, &rejected);
        }
    }
}

fn unless_ignored<T>(resident: &Resident, answer: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match (answer, resident.settings.failure_policy) {
        (Ok(answer), _) => Ok(Some(answer)),
        (Err(error), FailurePolicy::Fail) => Err(error),
        (Err(error), FailurePolicy::Ignore) => {
            tracing::warn!(plugin = resident.name, %error, "no answer; its failure policy lets the cycle go on");
            Ok(None)
        }
    }
}

/// The feasible node with the highest total; one of them at random when several have it.
fn best(feasible: &[u64], totals: &[i64]) -> u32 {
    // The one part of a cycle that visits every node: a plain loop over words, one pass.
    let (mut highest, mut ties) = (i64::MIN, Vec::new());
    for (word, bits) in feasible.iter().enumerate() {
        let mut rest = *bits;
        while rest != 0 {
            let index = word * 64 + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let total = totals.get(index).copied().unwrap_or(0);
            if total > highest {
                highest = total;
                ties.clear();
            }
            if total == highest {
                ties.push(index as u32);
            }
        }
    }
    if ties.is_empty() { 0 } else { ties[rand::random_range(0..ties.len())] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_highest_and_breaks_ties_among_them() {
        assert_eq!(best(&[0b1011], &[5, 9, 100, 7]), 1);
        let picks: std::collections::BTreeSet<u32> =
            (0..200).map(|_| best(&[0b1111], &[9, 3, 9, 9])).collect();
        assert_eq!(picks.into_iter().collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn only_the_first_plugin_to_reject_a_node_gives_reasons() {
        let rejection = |reason: &str, nodes: u64, unresolvable| Rejection {
            reason: reason.into(),
            nodes: vec![nodes],
            unresolvable,
        };
        let mut feasible = vec![0b111];
        let mut diagnosis = Diagnosis { nodes: 3, unresolvable: vec![0], ..Diagnosis::default() };
        diagnosis.note("taints", &[rejection("tainted", 0b001, true)], &mut feasible);
        let fit =
            [rejection("Insufficient cpu", 0b011, false), rejection("Insufficient memory", 0b010, false)];
        diagnosis.note("fit", &fit, &mut feasible);
        diagnosis.note("late", &[rejection("late", 0b011, false)], &mut feasible);
        assert_eq!(feasible, [0b100]);
        assert_eq!(diagnosis.unresolvable, [0b001]);
        assert_eq!(diagnosis.rejected_by.iter().map(String::as_str).collect::<Vec<_>>(), ["fit", "taints"]);
        assert_eq!(diagnosis.reasons["Insufficient cpu"], 1);
        assert_eq!(diagnosis.reasons["Insufficient memory"], 1);
    }
}
