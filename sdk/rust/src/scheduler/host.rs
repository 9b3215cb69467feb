//! The component's side of `orch:scheduler`.

use super::{
    Advice, Delta, Description, Eviction, NodeSet, Normalization, Permission, Plan, Policy, Rejection, Scope,
    Verdict,
};
use crate::bindings::scheduler::exports::orch::scheduler::{
    filter, permit, policy, pre_bind, preemption, queue, reserve, score,
};
use crate::bindings::scheduler::orch::host::interests;

/// Implemented by `export_scheduler!`: where the one instance of the policy lives.
pub trait Exports: 'static {
    type Policy: Policy;
    fn with<R>(f: impl FnOnce(&mut Self::Policy) -> R) -> R;
}

impl<T: Exports> policy::Guest for T {
    fn describe() -> policy::Description {
        crate::log::report_panics();
        T::Policy::describe().into()
    }

    fn configure(config: String) -> Result<(), String> {
        let config = serde_json::from_str(&config).map_err(|error| format!("not JSON: {error}"))?;
        T::with(|policy| policy.configure(&config))
    }

    fn sync(deltas: Vec<policy::Delta>) -> Result<(), String> {
        T::with(|policy| deltas.into_iter().try_for_each(|delta| policy.sync(delta.into())))
    }
}

impl<T: Exports> filter::Guest for T {
    fn filter(pod: String, nodes: Vec<u64>) -> Result<filter::Verdict, String> {
        T::with(|policy| policy.filter(&pod, &NodeSet::from_words(nodes))).map(filter::Verdict::from)
    }
}

impl<T: Exports> score::Guest for T {
    fn score(pod: String, nodes: Vec<u64>) -> Result<Vec<u32>, String> {
        T::with(|policy| policy.score(&pod, &NodeSet::from_words(nodes)))
    }
}

impl<T: Exports> queue::Guest for T {
    fn rank(pod: String) -> Result<i64, String> {
        T::with(|policy| policy.rank(&pod))
    }
}

impl<T: Exports> preemption::Guest for T {
    fn propose(pod: String, nodes: Vec<u64>) -> Result<preemption::Plan, String> {
        T::with(|policy| policy.propose(&pod, &NodeSet::from_words(nodes))).map(preemption::Plan::from)
    }

    fn choose(pod: String, candidates: Vec<preemption::Candidate>) -> Result<Option<u32>, String> {
        let candidates: Vec<Eviction> = candidates.into_iter().map(Eviction::from).collect();
        T::with(|policy| policy.choose(&pod, &candidates)).map(|choice| choice.map(|index| index as u32))
    }
}

impl<T: Exports> reserve::Guest for T {
    fn reserve(pod: String, node: u32) -> Result<(), String> {
        T::with(|policy| policy.reserve(&pod, node as usize))
    }

    fn unreserve(pod: String, node: u32) -> Result<(), String> {
        T::with(|policy| policy.unreserve(&pod, node as usize))
    }
}

impl<T: Exports> permit::Guest for T {
    fn permit(pod: String, node: u32) -> Result<permit::Permission, String> {
        T::with(|policy| policy.permit(&pod, node as usize)).map(permit::Permission::from)
    }
}

impl<T: Exports> pre_bind::Guest for T {
    fn pre_bind(pod: String, node: u32) -> Result<Advice, String> {
        T::with(|policy| policy.pre_bind(&pod, node as usize))
    }
}

impl From<Description> for policy::Description {
    fn from(description: Description) -> Self {
        use policy::Points;
        let when = |takes_part, point| if takes_part { point } else { Points::empty() };
        let (score_scope, normalization) = description.scores.unwrap_or_default();
        policy::Description {
            points: when(description.filters.is_some(), Points::FILTER)
                | when(description.scores.is_some(), Points::SCORE)
                | when(description.ranks, Points::QUEUE)
                | when(description.preempts, Points::PREEMPTION)
                | when(description.reserves, Points::RESERVE)
                | when(description.permits, Points::PERMIT)
                | when(description.prepares, Points::PRE_BIND),
            pod: description.pod,
            interests: description.interests.into_iter().map(interests::Interest::from).collect(),
            filter_scope: description.filters.unwrap_or_default().into(),
            score_scope: score_scope.into(),
            normalization: normalization.into(),
            weight: description.weight,
            order: description.order,
        }
    }
}

impl From<Scope> for policy::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Node => policy::Scope::Node,
            Scope::Cluster => policy::Scope::Cluster,
        }
    }
}

impl From<Normalization> for policy::Normalization {
    fn from(normalization: Normalization) -> Self {
        match normalization {
            Normalization::None => policy::Normalization::None,
            Normalization::Highest => policy::Normalization::Highest,
            Normalization::HighestReversed => policy::Normalization::HighestReversed,
        }
    }
}

impl From<policy::Delta> for Delta {
    fn from(delta: policy::Delta) -> Self {
        match delta {
            policy::Delta::NodeUpsert((index, node)) => Delta::NodeUpsert { index: index as usize, node },
            policy::Delta::NodeRemove(index) => Delta::NodeRemove { index: index as usize },
            policy::Delta::PodUpsert((key, node, pod)) => Delta::PodUpsert { key, node: node as usize, pod },
            policy::Delta::PodRemove(key) => Delta::PodRemove { key },
            policy::Delta::ObjectUpsert(object) => Delta::ObjectUpsert { object },
            policy::Delta::ObjectRemove(identity) => Delta::ObjectRemove { identity },
        }
    }
}

impl From<Verdict> for filter::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Nodes(rejections) => {
                filter::Verdict::Nodes(rejections.into_iter().map(filter::Rejection::from).collect())
            }
            Verdict::Pod(reason) => filter::Verdict::Pod(reason),
        }
    }
}

impl From<Rejection> for filter::Rejection {
    fn from(rejection: Rejection) -> Self {
        let Rejection { reason, nodes, unresolvable } = rejection;
        filter::Rejection { reason, nodes: nodes.into_words(), unresolvable }
    }
}

impl From<Plan> for preemption::Plan {
    fn from(plan: Plan) -> Self {
        let proposal = |Eviction { node, victims }| preemption::Proposal { node: node as u32, victims };
        match plan {
            Plan::Proposals(proposals) => {
                preemption::Plan::Proposals(proposals.into_iter().map(proposal).collect())
            }
            Plan::NotEligible(why) => preemption::Plan::NotEligible(why),
        }
    }
}

impl From<preemption::Candidate> for Eviction {
    fn from(candidate: preemption::Candidate) -> Self {
        Eviction { node: candidate.node as usize, victims: candidate.victims }
    }
}

impl From<Permission> for permit::Permission {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Allow => permit::Permission::Allow,
            Permission::Wait { millis } => permit::Permission::Wait(millis),
            Permission::Reject(why) => permit::Permission::Reject(why),
        }
    }
}
