//! What a plugin author installs: a trait per kind of plugin, an `export_…!` macro that turns an
//! implementation into a component, small typed views of what policies read, and a fake host for
//! unit tests that run natively.
//!
//! A scheduling policy, whole:
//!
//! ```
//! use orch_sdk::scheduler::{Description, NodeSet, Normalization, Policy, Scope};
//!
//! #[derive(Default)]
//! struct Even;
//!
//! impl Policy for Even {
//!     fn describe() -> Description {
//!         Description::new().scores(Scope::Node, Normalization::None)
//!     }
//!     fn score(&mut self, _pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
//!         Ok(nodes.iter().map(|node| if node % 2 == 0 { 100 } else { 0 }).collect())
//!     }
//! }
//! orch_sdk::export_scheduler!(Even);
//! ```

pub mod admission;
#[doc(hidden)]
pub mod bindings;
pub mod claim;
pub mod class;
pub mod cni;
pub mod config;
pub mod controller;
pub mod csi;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
pub mod finalizer;
pub mod interest;
pub mod log;
pub mod names;
pub mod node;
pub mod object;
pub mod pod;
pub mod quantity;
pub mod quota;
pub mod replicas;
pub mod scheduler;
pub mod selector;
pub mod service;
pub mod time;
pub mod toleration;
pub mod topology;
pub mod volume;

pub use interest::Interest;
pub use serde;
pub use serde_json::{self, Value, json};

/// The state of a component: one per instance, and an instance is never entered twice.
#[doc(hidden)]
pub type Resident<T> = std::cell::RefCell<T>;
