//! One scheduling cycle: filters rule nodes out, scores rank the rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use orch_plugin::calls::{CallError, NodeSet};

use crate::answers::Judged;
use crate::cluster::Cluster;
use crate::diagnosis::Diagnosis;
use crate::nodeset;
use crate::pod::PodInfo;
use crate::preempt::{Nominated, expected_at, pretend_that_none_come, pretend_that_they_came};
use crate::resident::Resident;
use crate::settings::FailurePolicy;

#[derive(Debug)]
pub(crate) enum Decision {
    /// The index of the best node.
    Place(u32),
    Rejected(Diagnosis),
    /// Nothing may judge: placing anywhere would be a policy of the host's.
    NoFilters,
    Failed(CallError),
}

/// What the plugins of one lineup made of a pod.
pub(crate) struct Evaluation {
    pub feasible: NodeSet,
    /// Weighted sums by node index.
    totals: Vec<i64>,
    /// Why the other nodes are not.
    diagnosis: Diagnosis,
}

impl Evaluation {
    /// The feasible node with the highest total; one of them at random when several have it.
    pub fn best(&self) -> u32 {
        best(&self.feasible, &self.totals)
    }

    /// The nominated node, if it is feasible, whatever the scores; else the best.
    fn choose(&self, nominated: Option<u32>) -> Option<u32> {
        let nominated = nominated.filter(|node| nodeset::contains(&self.feasible, *node));
        nominated.or_else(|| (!nodeset::is_empty(&self.feasible)).then(|| self.best()))
    }

    /// Is this node among the best?
    pub fn would_choose(&self, index: u32) -> bool {
        let total = |index: u32| self.totals.get(index as usize).copied().unwrap_or(0);
        nodeset::contains(&self.feasible, index)
            && nodeset::indexes(&self.feasible).all(|other| total(other) <= total(index))
    }
}

pub(crate) struct Cycle<'a> {
    pub cluster: &'a Cluster,
    pub lineup: &'a [usize],
    pub pod: &'a PodInfo,
    /// Pods for which room was made. The plugins are told that some of them are there.
    pub nominated: &'a HashMap<Arc<str>, Nominated>,
    pub now: Instant,
}

impl Cycle<'_> {
    /// Picks a node. `nominated`: where room was made for this pod. A node must hold the pod with the
    /// pods that are to come and without them: they take room, but nothing may rest on them.
    pub fn decide(&self, residents: &mut [Resident], nominated: Option<u32>) -> Decision {
        if !self.lineup.iter().any(|position| residents[*position].description().points.filter) {
            return Decision::NoFilters;
        }
        match self.evaluate(residents) {
            Err(error) => Decision::Failed(error),
            Ok(Err(diagnosis)) => Decision::Rejected(diagnosis),
            Ok(Ok(mut evaluation)) => {
                while let Some(node) = evaluation.choose(nominated) {
                    match self.objection_if_none_come(residents, node) {
                        Err(error) => return Decision::Failed(error),
                        Ok(None) => return Decision::Place(node),
                        Ok(Some((plugin, judged))) => {
                            evaluation.diagnosis.note(&plugin, &judged, &mut evaluation.feasible);
                        }
                    }
                }
                Decision::Rejected(evaluation.diagnosis)
            }
        }
    }

    /// Which filter rejects the node when the pods that are to come to it do not.
    fn objection_if_none_come(
        &self,
        residents: &mut [Resident],
        node: u32,
    ) -> Result<Option<(String, Judged)>, CallError> {
        let expected = expected_at(self.nominated, node);
        if expected.is_empty() {
            return Ok(None);
        }
        pretend_that_none_come(residents, &expected, self.cluster);
        let objection = self.objection(residents, node);
        pretend_that_they_came(residents, &expected, self.cluster);
        objection
    }

    fn objection(
        &self,
        residents: &mut [Resident],
        node: u32,
    ) -> Result<Option<(String, Judged)>, CallError> {
        let mut asked = NodeSet::new();
        nodeset::insert(&mut asked, node);
        for position in self.lineup {
            let resident = &mut residents[*position];
            if !resident.description().points.filter {
                continue;
            }
            let verdict = resident.filter_once(self.pod, self.cluster, &asked, self.now);
            let verdict = unless_ignored(&resident.name, resident.settings.failure_policy, verdict)?;
            let Some(verdict) = verdict else { continue };
            let judged = Judged::new(0, asked.clone(), verdict);
            if judged.pod.is_some() || nodeset::contains(&judged.rejected, node) {
                return Ok(Some((resident.name.clone(), judged)));
            }
        }
        Ok(None)
    }

    /// The inner error: no node is feasible.
    pub fn evaluate(&self, residents: &mut [Resident]) -> Result<Result<Evaluation, Diagnosis>, CallError> {
        let mut feasible = self.cluster.live().clone();
        let diagnosis = self.filter(residents, &mut feasible)?;
        let totals = match nodeset::count(&feasible) {
            0 => return Ok(Err(diagnosis)),
            1 => Vec::new(),
            _ => self.score(residents, &feasible)?,
        };
        Ok(Ok(Evaluation { feasible, totals, diagnosis }))
    }

    /// Takes what the filters reject out of `feasible`.
    fn filter(&self, residents: &mut [Resident], feasible: &mut NodeSet) -> Result<Diagnosis, CallError> {
        let live = self.cluster.live();
        let mut diagnosis = Diagnosis::new(self.cluster.len(), feasible.len());
        for position in self.lineup {
            let resident = &mut residents[*position];
            if !resident.description().points.filter {
                continue;
            }
            // The others are asked though no node is left: a verdict on the pod itself tells more than
            // why nodes were rejected (upstream asks for it first).
            if diagnosis.pod.is_some() {
                break;
            }
            let name = resident.name.clone();
            let policy = resident.settings.failure_policy;
            let judged = resident
                .bring_up_to_date(self.cluster, self.now)
                .and_then(|()| resident.judge(self.pod, live, feasible));
            if let Some(judged) = unless_ignored(&name, policy, judged)? {
                diagnosis.note(&name, judged, feasible);
            }
        }
        Ok(diagnosis)
    }

    fn score(&self, residents: &mut [Resident], feasible: &NodeSet) -> Result<Vec<i64>, CallError> {
        let mut totals = vec![0i64; feasible.len() * 64];
        for position in self.lineup {
            let resident = &mut residents[*position];
            if !resident.description().points.score {
                continue;
            }
            let weighed = resident
                .bring_up_to_date(self.cluster, self.now)
                .and_then(|()| resident.weigh(self.pod, self.cluster.live(), feasible, &mut totals));
            unless_ignored(&resident.name, resident.settings.failure_policy, weighed)?;
        }
        Ok(totals)
    }
}

impl Diagnosis {
    /// Notes why `plugin` rejects nodes that nobody rejected before, and takes them out of `feasible`.
    /// A verdict on the pod itself stands for all others.
    fn note(&mut self, plugin: &str, judged: &Judged, feasible: &mut NodeSet) {
        if let Some(reason) = &judged.pod {
            self.pod = Some(reason.clone());
            self.rejected_by = [plugin.to_string()].into();
            self.unresolvable.iter_mut().for_each(|word| *word = u64::MAX);
            feasible.iter_mut().for_each(|word| *word = 0);
            return;
        }
        let rejected = nodeset::intersection(feasible, &judged.rejected);
        if nodeset::is_empty(&rejected) {
            return;
        }
        for rejection in &judged.rejections {
            let nodes = nodeset::intersection(feasible, &rejection.nodes);
            let count = nodeset::count(&nodes);
            if count == 0 {
                continue;
            }
            match self.reasons.get_mut(&rejection.reason) {
                Some(known) => *known += count,
                None => drop(self.reasons.insert(rejection.reason.clone(), count)),
            }
            if rejection.unresolvable {
                nodeset::unite(&mut self.unresolvable, &nodes);
            }
        }
        self.rejected_by.insert(plugin.into());
        nodeset::subtract(feasible, &rejected);
    }
}

pub(crate) fn unless_ignored<T>(
    plugin: &str,
    policy: FailurePolicy,
    answer: Result<T, CallError>,
) -> Result<Option<T>, CallError> {
    match (answer, policy) {
        (Ok(answer), _) => Ok(Some(answer)),
        (Err(error), FailurePolicy::Fail) => Err(error),
        (Err(error), FailurePolicy::Ignore) => {
            tracing::warn!(plugin, %error, "no answer; its failure policy lets the cycle go on");
            Ok(None)
        }
    }
}

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
    use orch_plugin::calls::scheduler::{Rejection, Verdict};

    #[test]
    fn picks_the_highest_and_breaks_ties_among_them() {
        assert_eq!(best(&[0b1011], &[5, 9, 100, 7]), 1);
        let picks: std::collections::BTreeSet<u32> =
            (0..200).map(|_| best(&[0b1111], &[9, 3, 9, 9])).collect();
        assert_eq!(picks.into_iter().collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn any_of_the_best_would_be_chosen() {
        let diagnosis = Diagnosis::new(4, 1);
        let evaluation = Evaluation { feasible: vec![0b1011], totals: vec![9, 3, 100, 9], diagnosis };
        let chosen: Vec<bool> = (0..5).map(|index| evaluation.would_choose(index)).collect();
        assert_eq!(chosen, [true, false, false, true, false]);
    }

    #[test]
    fn only_the_first_plugin_to_reject_a_node_gives_reasons() {
        let rejection = |reason: &str, nodes: u64, unresolvable| Rejection {
            reason: reason.into(),
            nodes: vec![nodes],
            unresolvable,
        };
        let judged = |rejections| Judged::new(1, vec![0b111], Verdict::Nodes(rejections));
        let mut feasible = vec![0b111];
        let mut diagnosis = Diagnosis::new(3, 1);
        diagnosis.note("taints", &judged(vec![rejection("tainted", 0b001, true)]), &mut feasible);
        let fit =
            vec![rejection("Insufficient cpu", 0b011, false), rejection("Insufficient memory", 0b010, false)];
        diagnosis.note("fit", &judged(fit), &mut feasible);
        diagnosis.note("late", &judged(vec![rejection("late", 0b011, false)]), &mut feasible);
        assert_eq!(feasible, [0b100]);
        assert_eq!(diagnosis.unresolvable, [0b001]);
        assert_eq!(diagnosis.rejected_by.iter().map(String::as_str).collect::<Vec<_>>(), ["fit", "taints"]);
        assert_eq!(diagnosis.reasons["Insufficient cpu"], 1);
        assert_eq!(diagnosis.reasons["Insufficient memory"], 1);
    }

    #[test]
    fn a_pod_rejected_as_such_is_rejected_everywhere() {
        let mut feasible = vec![0b111];
        let mut diagnosis = Diagnosis::new(3, 1);
        diagnosis.note(
            "volumes",
            &Judged::new(1, vec![0b111], Verdict::Pod("no claim".into())),
            &mut feasible,
        );
        assert!(nodeset::is_empty(&feasible));
        assert_eq!(diagnosis.message(None), "0/3 nodes are available: no claim.");
    }
}
