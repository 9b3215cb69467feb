//! Scheduling policies: filters and scores over resident nodes.
//!
//! A node is known by an index; answers about nodes are bit sets and byte vectors over the indexes.

use serde_json::Value;

use crate::Interest;

mod host;
mod nodeset;
pub mod resources;

#[doc(hidden)]
pub use host::Exports;
pub use nodeset::NodeSet;

/// The best score of a node.
pub const MAX_SCORE: i64 = 100;

/// A scheduling policy. It holds what it needs of nodes and pods, kept current by `sync`. Only those
/// functions are called whose extension point the description names.
pub trait Policy: Default + 'static {
    fn describe() -> Description;

    /// `spec.config`; an error refuses the plugin and names the field. Called again, on the same
    /// resident state, when only the configuration changed.
    fn configure(&mut self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    fn sync(&mut self, _delta: Delta) -> Result<(), String> {
        Ok(())
    }

    /// Rules out nodes of the set for a pod (JSON, cut down to [`Description::pod`]).
    fn filter(&mut self, _pod: &str, _nodes: &NodeSet) -> Result<Verdict, String> {
        Ok(Verdict::default())
    }

    /// One number for each node of the set, in ascending order of index; none at all is short for zeros.
    fn score(&mut self, _pod: &str, _nodes: &NodeSet) -> Result<Vec<u32>, String> {
        Ok(Vec::new())
    }

    /// A place in the queue: higher goes first.
    fn rank(&mut self, _pod: &str) -> Result<i64, String> {
        Ok(0)
    }

    /// Which pods may be evicted, and where, for a pod that fits nowhere. `nodes`: those that no
    /// plugin called unresolvable.
    fn propose(&mut self, _pod: &str, _nodes: &NodeSet) -> Result<Plan, String> {
        Ok(Plan::Proposals(Vec::new()))
    }

    /// Picks a candidate by its position; `None`: nobody is evicted.
    fn choose(&mut self, _pod: &str, _candidates: &[Eviction]) -> Result<Option<usize>, String> {
        Ok(None)
    }

    /// Holds what the pod will use on the node.
    fn reserve(&mut self, _pod: &str, _node: usize) -> Result<(), String> {
        Ok(())
    }

    /// The pod will not be bound to the node after all.
    fn unreserve(&mut self, _pod: &str, _node: usize) -> Result<(), String> {
        Ok(())
    }

    fn permit(&mut self, _pod: &str, _node: usize) -> Result<Permission, String> {
        Ok(Permission::Allow)
    }

    /// What must be so before the pod is bound.
    fn pre_bind(&mut self, _pod: &str, _node: usize) -> Result<Advice, String> {
        Ok(Advice { patches: Vec::new(), ready: true, timeout_ms: 0 })
    }
}

/// Turns an implementation of [`Policy`] into a component. Does nothing in a native build.
#[macro_export]
macro_rules! export_scheduler {
    ($policy:ident) => {
        #[cfg(target_family = "wasm")]
        mod __orch_component {
            pub struct Component;
            thread_local! {
                static STATE: $crate::Resident<super::$policy> = ::core::default::Default::default();
            }
            impl $crate::scheduler::Exports for Component {
                type Policy = super::$policy;
                fn with<R>(f: impl FnOnce(&mut super::$policy) -> R) -> R {
                    STATE.with(|state| f(&mut state.borrow_mut()))
                }
            }
            $crate::bindings::scheduler::export!(Component with_types_in $crate::bindings::scheduler);
        }
    };
}

/// What the answer for one node depends on; see `wit/scheduler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The pod, the node and the pods on it.
    #[default]
    Node,
    /// Also other nodes, pods elsewhere or other objects.
    Cluster,
}

/// What the host makes of raw scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// They are 0 to 100 already.
    #[default]
    None,
    /// The highest becomes 100, the others in proportion.
    Highest,
    /// As `Highest`, then subtracted from 100.
    HighestReversed,
}

/// What a policy reads, and where it takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What is read of the pod to be placed.
    pub pod: Vec<String>,
    /// What is kept resident.
    pub interests: Vec<Interest>,
    pub filters: Option<Scope>,
    pub scores: Option<(Scope, Normalization)>,
    pub ranks: bool,
    pub preempts: bool,
    pub reserves: bool,
    pub permits: bool,
    pub prepares: bool,
    /// Used where the `Plugin` object names none.
    pub weight: u32,
    pub order: i32,
}

impl Default for Description {
    fn default() -> Self {
        Description {
            pod: vec!["metadata.namespace".into()],
            interests: Vec::new(),
            filters: None,
            scores: None,
            ranks: false,
            preempts: false,
            reserves: false,
            permits: false,
            prepares: false,
            weight: 1,
            order: 0,
        }
    }
}

impl Description {
    pub fn new() -> Self {
        Description::default()
    }

    /// What is read of the pod to be placed; without a call nothing but its namespace.
    pub fn pod(mut self, fields: &[&str]) -> Self {
        self.pod = fields.iter().map(|field| field.to_string()).collect();
        self
    }

    /// Keeps these parts of the kind resident; their changes wake the pods this policy rejected.
    pub fn reads(mut self, api_version: &str, kind: &str, fields: &[&str]) -> Self {
        self.interests.push(Interest::new(api_version, kind, fields));
        self
    }

    pub fn filters(mut self, scope: Scope) -> Self {
        self.filters = Some(scope);
        self
    }

    pub fn scores(mut self, scope: Scope, normalization: Normalization) -> Self {
        self.scores = Some((scope, normalization));
        self
    }

    pub fn ranks(mut self) -> Self {
        self.ranks = true;
        self
    }

    pub fn preempts(mut self) -> Self {
        self.preempts = true;
        self
    }

    pub fn reserves(mut self) -> Self {
        self.reserves = true;
        self
    }

    pub fn permits(mut self) -> Self {
        self.permits = true;
        self
    }

    /// Takes part in `pre-bind`.
    pub fn prepares(mut self) -> Self {
        self.prepares = true;
        self
    }

    /// Factor of its scores where the `Plugin` object names none.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Place among the filters where the `Plugin` object names none, lowest first.
    pub fn order(mut self, order: i32) -> Self {
        self.order = order;
        self
    }
}

/// A change of resident state; objects are JSON cut down to the interests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    NodeUpsert {
        index: usize,
        node: String,
    },
    NodeRemove {
        index: usize,
    },
    /// A pod assigned to the node at this index. `key` is its uid.
    PodUpsert {
        key: String,
        node: usize,
        pod: String,
    },
    PodRemove {
        key: String,
    },
    /// An object of another kind.
    ObjectUpsert {
        object: String,
    },
    /// Its identity.
    ObjectRemove {
        identity: String,
    },
}

/// One reason and the nodes it rules out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// As a user reads it after a count: `Insufficient cpu`.
    pub reason: String,
    pub nodes: NodeSet,
    /// Evicting pods could not help.
    pub unresolvable: bool,
}

/// What a filter says of the nodes it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Feasible, but for those rejected.
    Nodes(Vec<Rejection>),
    /// The pod can go nowhere, and why.
    Pod(String),
}

impl Default for Verdict {
    fn default() -> Self {
        Verdict::Nodes(Vec::new())
    }
}

impl From<Vec<Rejection>> for Verdict {
    fn from(rejections: Vec<Rejection>) -> Self {
        Verdict::Nodes(rejections)
    }
}

/// Pods (by uid) that may have to leave a node. In a proposal, those to be spared first come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    pub node: usize,
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
    /// Asked again when something it reads changed, for so long.
    Wait {
        millis: u32,
    },
    Reject(String),
}

pub use crate::bindings::scheduler::exports::orch::scheduler::pre_bind::{Advice, Patch, PatchType};
