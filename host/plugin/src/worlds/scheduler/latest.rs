//! Version 0.2.0: an interface for each extension point, exported or not.

use wasmtime::component::InstancePre;

use super::{Answered, State};
use crate::calls::scheduler::{
    Advice, Delta, Description, Eviction, Normalization, Patch, PatchType, Permission, Plan, Points,
    Rejection, Scope, Verdict,
};
use crate::worlds::HostState;
use crate::worlds::bindings::scheduler::exports::orch::scheduler::{
    filter, permit, policy, pre_bind, preemption, queue, reserve, score,
};

/// A linked component and where its functions are.
pub(super) struct Pre {
    component: InstancePre<HostState<()>>,
    policy: policy::GuestIndices,
    filter: Option<filter::GuestIndices>,
    score: Option<score::GuestIndices>,
    queue: Option<queue::GuestIndices>,
    preemption: Option<preemption::GuestIndices>,
    reserve: Option<reserve::GuestIndices>,
    permit: Option<permit::GuestIndices>,
    pre_bind: Option<pre_bind::GuestIndices>,
}

pub(super) struct Exports {
    policy: policy::Guest,
    filter: Option<filter::Guest>,
    score: Option<score::Guest>,
    queue: Option<queue::Guest>,
    preemption: Option<preemption::Guest>,
    reserve: Option<reserve::Guest>,
    permit: Option<permit::Guest>,
    pre_bind: Option<pre_bind::Guest>,
}

impl Pre {
    pub fn new(component: InstancePre<HostState<()>>) -> wasmtime::Result<Self> {
        Ok(Pre {
            policy: policy::GuestIndices::new(&component)?,
            filter: filter::GuestIndices::new(&component).ok(),
            score: score::GuestIndices::new(&component).ok(),
            queue: queue::GuestIndices::new(&component).ok(),
            preemption: preemption::GuestIndices::new(&component).ok(),
            reserve: reserve::GuestIndices::new(&component).ok(),
            permit: permit::GuestIndices::new(&component).ok(),
            pre_bind: pre_bind::GuestIndices::new(&component).ok(),
            component,
        })
    }

    pub fn instantiate(&self, store: &mut State) -> wasmtime::Result<Exports> {
        let instance = self.component.instantiate(&mut *store)?;
        /// The interface's functions, when the component exports it.
        macro_rules! load {
            ($interface:ident) => {
                self.$interface.as_ref().map(|indices| indices.load(&mut *store, &instance)).transpose()?
            };
        }
        Ok(Exports {
            policy: self.policy.load(&mut *store, &instance)?,
            filter: load!(filter),
            score: load!(score),
            queue: load!(queue),
            preemption: load!(preemption),
            reserve: load!(reserve),
            permit: load!(permit),
            pre_bind: load!(pre_bind),
        })
    }
}

/// The interface, or the error of a call that the description promised could be made.
fn exported<'a, T>(interface: &'a Option<T>, name: &str) -> wasmtime::Result<&'a T> {
    interface.as_ref().ok_or_else(|| wasmtime::format_err!("{}", not_exported(name)))
}

fn not_exported(name: &str) -> String {
    format!("it takes part in {name} and does not export orch:scheduler/{name}@0.2.0")
}

impl Exports {
    pub fn check(&self, points: Points) -> Result<(), String> {
        let promised = [
            ("filter", points.filter, self.filter.is_some()),
            ("score", points.score, self.score.is_some()),
            ("queue", points.queue, self.queue.is_some()),
            ("preemption", points.preemption, self.preemption.is_some()),
            ("reserve", points.reserve, self.reserve.is_some()),
            ("permit", points.permit, self.permit.is_some()),
            ("pre-bind", points.pre_bind, self.pre_bind.is_some()),
        ];
        match promised.iter().find(|(_, promised, exported)| *promised && !exported) {
            Some((name, _, _)) => Err(not_exported(name)),
            None => Ok(()),
        }
    }

    pub fn describe(&self, store: &mut State) -> wasmtime::Result<Description> {
        self.policy.call_describe(store).map(Description::from)
    }

    pub fn configure(&self, store: &mut State, config: &str) -> Answered<()> {
        self.policy.call_configure(store, config)
    }

    pub fn sync(&self, store: &mut State, deltas: &[Delta]) -> Answered<()> {
        let deltas: Vec<policy::Delta> = deltas.iter().map(policy::Delta::from).collect();
        self.policy.call_sync(store, &deltas)
    }

    pub fn filter(&self, store: &mut State, pod: &str, nodes: &[u64]) -> Answered<Verdict> {
        let verdict = exported(&self.filter, "filter")?.call_filter(store, pod, nodes)?;
        Ok(verdict.map(Verdict::from))
    }

    pub fn score(&self, store: &mut State, pod: &str, nodes: &[u64]) -> Answered<Vec<u32>> {
        exported(&self.score, "score")?.call_score(store, pod, nodes)
    }

    pub fn rank(&self, store: &mut State, pod: &str) -> Answered<i64> {
        exported(&self.queue, "queue")?.call_rank(store, pod)
    }

    pub fn propose(&self, store: &mut State, pod: &str, nodes: &[u64]) -> Answered<Plan> {
        let plan = exported(&self.preemption, "preemption")?.call_propose(store, pod, nodes)?;
        Ok(plan.map(Plan::from))
    }

    pub fn choose(&self, store: &mut State, pod: &str, candidates: &[Eviction]) -> Answered<Option<usize>> {
        let candidate = |Eviction { node, victims }: &Eviction| preemption::Candidate {
            node: *node,
            victims: victims.clone(),
        };
        let candidates: Vec<_> = candidates.iter().map(candidate).collect();
        let choice = exported(&self.preemption, "preemption")?.call_choose(store, pod, &candidates)?;
        Ok(choice.map(|choice| choice.map(|index| index as usize)))
    }

    pub fn reserve(&self, store: &mut State, pod: &str, node: u32) -> Answered<()> {
        exported(&self.reserve, "reserve")?.call_reserve(store, pod, node)
    }

    pub fn unreserve(&self, store: &mut State, pod: &str, node: u32) -> Answered<()> {
        exported(&self.reserve, "reserve")?.call_unreserve(store, pod, node)
    }

    pub fn permit(&self, store: &mut State, pod: &str, node: u32) -> Answered<Permission> {
        let permission = exported(&self.permit, "permit")?.call_permit(store, pod, node)?;
        Ok(permission.map(Permission::from))
    }

    pub fn pre_bind(&self, store: &mut State, pod: &str, node: u32) -> Answered<Advice> {
        let advice = exported(&self.pre_bind, "pre-bind")?.call_pre_bind(store, pod, node)?;
        Ok(advice.map(Advice::from))
    }
}

impl From<policy::Description> for Description {
    fn from(description: policy::Description) -> Self {
        let points = |point| description.points.contains(point);
        Description {
            points: Points {
                filter: points(policy::Points::FILTER),
                score: points(policy::Points::SCORE),
                queue: points(policy::Points::QUEUE),
                preemption: points(policy::Points::PREEMPTION),
                reserve: points(policy::Points::RESERVE),
                permit: points(policy::Points::PERMIT),
                pre_bind: points(policy::Points::PRE_BIND),
            },
            pod: description.pod,
            interests: description.interests.into_iter().map(Into::into).collect(),
            filter_scope: description.filter_scope.into(),
            score_scope: description.score_scope.into(),
            normalization: match description.normalization {
                policy::Normalization::None => Normalization::None,
                policy::Normalization::Highest => Normalization::Highest,
                policy::Normalization::HighestReversed => Normalization::HighestReversed,
            },
            weight: description.weight,
            order: description.order,
        }
    }
}

impl From<policy::Scope> for Scope {
    fn from(scope: policy::Scope) -> Self {
        match scope {
            policy::Scope::Node => Scope::Node,
            policy::Scope::Cluster => Scope::Cluster,
        }
    }
}

impl From<&Delta> for policy::Delta {
    fn from(delta: &Delta) -> Self {
        match delta {
            Delta::NodeUpsert(index, node) => policy::Delta::NodeUpsert((*index, node.clone())),
            Delta::NodeRemove(index) => policy::Delta::NodeRemove(*index),
            Delta::PodUpsert(key, index, pod) => policy::Delta::PodUpsert((key.clone(), *index, pod.clone())),
            Delta::PodRemove(key) => policy::Delta::PodRemove(key.clone()),
            Delta::ObjectUpsert(object) => policy::Delta::ObjectUpsert(object.clone()),
            Delta::ObjectRemove(identity) => policy::Delta::ObjectRemove(identity.clone()),
        }
    }
}

impl From<filter::Verdict> for Verdict {
    fn from(verdict: filter::Verdict) -> Self {
        let rejection =
            |filter::Rejection { reason, nodes, unresolvable }| Rejection { reason, nodes, unresolvable };
        match verdict {
            filter::Verdict::Nodes(rejections) => {
                Verdict::Nodes(rejections.into_iter().map(rejection).collect())
            }
            filter::Verdict::Pod(reason) => Verdict::Pod(reason),
        }
    }
}

impl From<preemption::Plan> for Plan {
    fn from(plan: preemption::Plan) -> Self {
        let proposal = |preemption::Proposal { node, victims }| Eviction { node, victims };
        match plan {
            preemption::Plan::Proposals(proposals) => {
                Plan::Proposals(proposals.into_iter().map(proposal).collect())
            }
            preemption::Plan::NotEligible(why) => Plan::NotEligible(why),
        }
    }
}

impl From<permit::Permission> for Permission {
    fn from(permission: permit::Permission) -> Self {
        match permission {
            permit::Permission::Allow => Permission::Allow,
            permit::Permission::Wait(millis) => Permission::Wait(millis),
            permit::Permission::Reject(why) => Permission::Reject(why),
        }
    }
}

impl From<pre_bind::Advice> for Advice {
    fn from(advice: pre_bind::Advice) -> Self {
        let pre_bind::Advice { patches, ready, timeout_ms } = advice;
        Advice { patches: patches.into_iter().map(Patch::from).collect(), ready, timeout_ms }
    }
}

impl From<pre_bind::Patch> for Patch {
    fn from(patch: pre_bind::Patch) -> Self {
        Patch {
            api_version: patch.api_version,
            kind: patch.kind,
            namespace: patch.namespace,
            name: patch.name,
            subresource: patch.subresource,
            patch_type: match patch.patch_type {
                pre_bind::PatchType::Json => PatchType::Json,
                pre_bind::PatchType::Merge => PatchType::Merge,
                pre_bind::PatchType::Strategic => PatchType::Strategic,
                pre_bind::PatchType::Apply => PatchType::Apply,
            },
            body: patch.body,
        }
    }
}
