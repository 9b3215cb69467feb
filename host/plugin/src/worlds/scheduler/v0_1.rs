//! Version 0.1.0: filter and score only, both over every node, scores normalised by the component,
//! one declaration for the pod in question and for those that are resident.

use wasmtime::component::InstancePre;

use super::{Answered, State, scope};
use crate::calls::Interest;
use crate::calls::scheduler::{Delta, Description, Normalization, Points, Rejection, Verdict};
use crate::worlds::HostState;
use crate::worlds::bindings::scheduler_v0_1::exports::orch::scheduler::policy as wit;
use crate::worlds::bindings::scheduler_v0_1::{Scheduler, SchedulerPre};

pub(super) struct Pre(SchedulerPre<HostState<()>>);

pub(super) struct Exports(Scheduler);

impl Pre {
    pub fn new(component: InstancePre<HostState<()>>) -> wasmtime::Result<Self> {
        SchedulerPre::new(component).map(Pre)
    }

    pub fn instantiate(&self, store: &mut State) -> wasmtime::Result<Exports> {
        self.0.instantiate(store).map(Exports)
    }
}

impl Exports {
    fn policy(&self) -> &wit::Guest {
        self.0.orch_scheduler_policy()
    }

    pub fn describe(&self, store: &mut State) -> wasmtime::Result<Description> {
        self.policy().call_describe(store).map(Description::from)
    }

    pub fn configure(&self, store: &mut State, config: &str) -> Answered<()> {
        self.policy().call_configure(store, config)
    }

    pub fn sync(&self, store: &mut State, deltas: &[Delta]) -> Answered<()> {
        let deltas: Vec<wit::Delta> = deltas.iter().filter_map(delta).collect();
        self.policy().call_sync(store, &deltas)
    }

    pub fn filter(&self, store: &mut State, pod: &str) -> Answered<Verdict> {
        let rejection =
            |wit::Rejection { reason, nodes, unresolvable }| Rejection { reason, nodes, unresolvable };
        let verdict = self.policy().call_filter(store, pod)?;
        Ok(verdict.map(|verdict| Verdict::Nodes(verdict.rejections.into_iter().map(rejection).collect())))
    }

    pub fn score(&self, store: &mut State, pod: &str, nodes: &[u64]) -> Answered<Vec<u32>> {
        let by_index = self.policy().call_score(store, pod, nodes)?;
        Ok(by_index.map(|by_index| of_nodes(&by_index, nodes)))
    }
}

/// The bytes of the nodes in the set; missing ones count as 0.
fn of_nodes(by_index: &[u8], nodes: &[u64]) -> Vec<u32> {
    let mut scores = Vec::with_capacity(by_index.len());
    for (word, bits) in nodes.iter().enumerate() {
        let mut rest = *bits;
        while rest != 0 {
            let index = word * 64 + rest.trailing_zeros() as usize;
            scores.push(by_index.get(index).copied().unwrap_or(0).into());
            rest &= rest - 1;
        }
    }
    scores
}

/// It knows no other objects.
fn delta(delta: &Delta) -> Option<wit::Delta> {
    match delta {
        Delta::NodeUpsert(index, node) => Some(wit::Delta::NodeUpsert((*index, node.clone()))),
        Delta::NodeRemove(index) => Some(wit::Delta::NodeRemove(*index)),
        Delta::PodUpsert(key, index, pod) => Some(wit::Delta::PodUpsert((key.clone(), *index, pod.clone()))),
        Delta::PodRemove(key) => Some(wit::Delta::PodRemove(key.clone())),
        Delta::ObjectUpsert(_) | Delta::ObjectRemove(_) => None,
    }
}

impl From<wit::Description> for Description {
    fn from(description: wit::Description) -> Self {
        let interests: Vec<Interest> = description.interests.into_iter().map(Into::into).collect();
        let of_pods = interests.iter().filter(|interest| interest.kind == "Pod");
        let mut pod: Vec<String> = of_pods.clone().flat_map(|interest| interest.fields.clone()).collect();
        let whole = of_pods.clone().any(|interest| interest.fields.is_empty());
        if whole {
            pod.clear();
        } else if pod.is_empty() {
            pod = Description::default().pod;
        }
        let scope = scope(description.depends_on_other_nodes);
        Description {
            points: Points {
                filter: description.points.contains(wit::Points::FILTER),
                score: description.points.contains(wit::Points::SCORE),
                ..Points::default()
            },
            pod,
            interests: interests.into_iter().filter(|i| i.kind == "Node" || i.kind == "Pod").collect(),
            filter_scope: scope,
            score_scope: scope,
            normalization: Normalization::None,
            ..Description::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_index_become_scores_by_node() {
        assert_eq!(of_nodes(&[5, 6, 7], &[0b1101]), [5, 7, 0]);
    }
}
