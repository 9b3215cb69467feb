//! Pods on this node: desired (API) and observed (runtime, probes) in, actions out.
//!
//! `spec` reads the object, `record` holds what is known, `plan` decides, `worker` performs, and
//! `status` tells the API. One worker per pod, so that a pod's changes are never concurrent.

pub mod adopt;
mod backoff;
pub mod conditions;
mod config;
pub mod env;
pub mod expand;
pub mod fields;
mod files;
mod hooks;
pub mod inbox;
pub mod labels;
mod message;
pub mod plan;
pub mod qos;
pub mod record;
pub mod resize;
mod sandbox;
mod security;
mod service_env;
pub mod spec;
mod start;
pub mod status;
mod stop;
mod take;
mod totals;
pub mod view;
pub mod worker;

#[cfg(test)]
mod tests;
