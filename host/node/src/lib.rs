//! The node agent: registers the node, runs the pods bound to it and serves their streams.
//!
//! Desired (API) and observed (runtime, probes) become actions in pure functions; a thin layer
//! performs them. Containers outlive the agent: a new one takes over what it finds.

mod agent;
mod config;
mod events;
mod image;
mod machine;
mod paths;
mod pod;
mod pods;
mod probe;
mod purge;
mod quantity;
mod references;
mod registration;
mod stream;
#[cfg(test)]
mod testing;
mod time;
mod volume;

pub use agent::{NodeAgent, StartError};
pub use config::Config;
pub use image::credentials;
pub use purge::{PurgeError, purge};
