//! Scheduling policies: filters and scores over resident nodes.
//!
//! A node is known by an index; answers about nodes are bit sets and byte vectors over the indexes.

use serde_json::Value;

use crate::Interest;

mod host;
mod nodeset;
mod score;

#[doc(hidden)]
pub use host::Exports;
pub use nodeset::NodeSet;
pub use score::{MAX_SCORE, normalize, normalize_reversed};

/// A scheduling policy. It holds what it needs of nodes and pods, kept current by `sync`.
pub trait Policy: Default + 'static {
    fn describe() -> Description;

    /// `spec.config`; an error refuses the plugin and names the field. Called again, on the same
    /// resident state, when only the configuration changed.
    fn configure(&mut self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String>;

    /// Rules out nodes for a pod (JSON). Only called when the description says `filters`.
    fn filter(&mut self, _pod: &str) -> Result<Vec<Rejection>, String> {
        Ok(Vec::new())
    }

    /// One byte per node index, 0 to 100. Only called when the description says `scores`.
    fn score(&mut self, _pod: &str, _feasible: &NodeSet) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
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

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    pub interests: Vec<Interest>,
    pub filters: bool,
    pub scores: bool,
    /// The answer for one node depends on other nodes or on pods elsewhere.
    pub depends_on_other_nodes: bool,
}

impl Description {
    pub fn new() -> Self {
        Description::default()
    }

    /// Only these parts of the kind are ever sent, and only their changes wake the policy.
    pub fn reads(mut self, api_version: &str, kind: &str, fields: &[&str]) -> Self {
        self.interests.push(Interest::new(api_version, kind, fields));
        self
    }

    pub fn filters(mut self) -> Self {
        self.filters = true;
        self
    }

    pub fn scores(mut self) -> Self {
        self.scores = true;
        self
    }

    pub fn depends_on_other_nodes(mut self) -> Self {
        self.depends_on_other_nodes = true;
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
