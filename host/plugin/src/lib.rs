//! Wasm components as policies: engine, worlds, limits, artifacts, hot swap. Knows nothing of
//! Kubernetes' semantics.
//!
//! A component is made ready by [`PluginEngine`] (compiled, or taken from a cache), checked against
//! its world, configured, and then called through the traits of [`calls`]. A call that traps, loops
//! or grows beyond its limits is an error of that call: the instance is thrown away and the next
//! call gets a fresh one. [`Slot`] swaps a plugin under load and goes back to the last good one when
//! the new one keeps failing; [`lifecycle`] does so from a declared list of plugins.

pub mod calls;
pub mod interest;
pub mod lifecycle;
pub mod relevance;
pub mod trial;
pub mod view;
pub mod worlds;

mod artifact;
mod cache;
mod engine;
mod error;
mod host_log;
mod limits;
mod lru;
mod own_metrics;
mod shelf;
mod slot;
mod stats;
mod ticker;

pub use artifact::{Artifact, Builtin, Source, World};
pub use engine::{PluginEngine, precompile, settings_digest};
pub use error::LoadError;
pub use interest::Cut;
pub use limits::Limits;
pub use own_metrics::{MetricKind, OwnMetrics};
pub use shelf::Shelf;
pub use slot::{Breaker, Slot};
pub use stats::{Snapshot, Stats};
