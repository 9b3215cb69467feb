//! `orch:scheduler` in plain types. Functions whose extension point a description does not name are
//! never called, so fakes leave them out.

use super::{CallError, Interest, NodeSet};

/// The extension points a component takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Points {
    pub filter: bool,
    pub score: bool,
    pub queue: bool,
    pub preemption: bool,
    pub reserve: bool,
    pub permit: bool,
    pub pre_bind: bool,
}

/// What the answer for one node depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The pod, the node and the pods on it.
    #[default]
    Node,
    /// Also other nodes, pods elsewhere or other objects.
    Cluster,
}

/// What becomes of raw scores over the feasible nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// They are 0 to 100 already.
    #[default]
    None,
    /// The highest becomes 100.
    Highest,
    /// As `Highest`, then subtracted from 100.
    HighestReversed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub points: Points,
    /// Paths read of the pod to be placed; empty: the whole pod.
    pub pod: Vec<String>,
    /// What is kept resident.
    pub interests: Vec<Interest>,
    pub filter_scope: Scope,
    pub score_scope: Scope,
    pub normalization: Normalization,
    /// Where the `Plugin` object names none.
    pub weight: u32,
    pub order: i32,
}

impl Default for Description {
    /// Takes part nowhere and reads nothing but identities.
    fn default() -> Self {
        Description {
            points: Points::default(),
            pod: vec!["metadata.namespace".into()],
            interests: Vec::new(),
            filter_scope: Scope::Node,
            score_scope: Scope::Node,
            normalization: Normalization::None,
            weight: 1,
            order: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    NodeUpsert(u32, String),
    NodeRemove(u32),
    /// key (uid), node index, JSON
    PodUpsert(String, u32, String),
    PodRemove(String),
    /// JSON of an object of another kind
    ObjectUpsert(String),
    /// its identity as JSON
    ObjectRemove(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: String,
    pub nodes: NodeSet,
    /// Evicting pods could not help.
    pub unresolvable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Feasible, but for those rejected.
    Nodes(Vec<Rejection>),
    /// The pod can go nowhere.
    Pod(String),
}

/// Pods (uids) that may have to leave a node. In a proposal those to be spared first come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    pub node: u32,
    pub victims: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    Proposals(Vec<Eviction>),
    /// The pod may not preempt, and why.
    NotEligible(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permission {
    Allow,
    /// For so many milliseconds at most.
    Wait(u32),
    Reject(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// A write on the component's behalf, within its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
    pub patch_type: PatchType,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub patches: Vec<Patch>,
    pub ready: bool,
    pub timeout_ms: u32,
}

/// Calls are synchronous and take microseconds; the scheduler makes them from its own thread.
pub trait SchedulerPlugin: Send + Sync + 'static {
    fn name(&self) -> &str;
    fn description(&self) -> &Description;
    /// Counts instances: after a change the resident state is empty and must be sent again.
    fn instance(&self) -> u64;
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError>;

    fn filter(&self, _pod: &str, _nodes: &NodeSet) -> Result<Verdict, CallError> {
        Ok(Verdict::Nodes(Vec::new()))
    }
    /// One number for each node of the set, in ascending order of index; the empty list is all zeros.
    fn score(&self, _pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, CallError> {
        Ok(vec![0; nodes.iter().map(|word| word.count_ones() as usize).sum()])
    }
    fn rank(&self, _pod: &str) -> Result<i64, CallError> {
        Ok(0)
    }
    fn propose(&self, _pod: &str, _nodes: &NodeSet) -> Result<Plan, CallError> {
        Ok(Plan::Proposals(Vec::new()))
    }
    fn choose(&self, _pod: &str, _candidates: &[Eviction]) -> Result<Option<usize>, CallError> {
        Ok(None)
    }
    fn reserve(&self, _pod: &str, _node: u32) -> Result<(), CallError> {
        Ok(())
    }
    fn unreserve(&self, _pod: &str, _node: u32) -> Result<(), CallError> {
        Ok(())
    }
    fn permit(&self, _pod: &str, _node: u32) -> Result<Permission, CallError> {
        Ok(Permission::Allow)
    }
    fn pre_bind(&self, _pod: &str, _node: u32) -> Result<Advice, CallError> {
        Ok(Advice { patches: Vec::new(), ready: true, timeout_ms: 0 })
    }
}
