//! The scheduler's mechanism: queue, node table, cycle, assume and bind. Every judgement about a
//! pod and a node is a [`SchedulerPlugin`](orch_plugin::calls::scheduler::SchedulerPlugin)'s; the
//! state it judges by lives in the plugin and is pushed there as it changes.
//!
//! ```text
//! informers ──► cluster ──changes──► resident state of each plugin
//!     │                                      │
//!     └──► queue ──pod──► cycle: filters, scores ──► assume ──► bind (in parallel)
//!            ▲                                                     │
//!            └──────────── back-off, wake on interest ◄────────────┘ on failure
//! ```
//!
//! One thread owns all of it ([`core`]); what waits for the API runs as tasks ([`api`]).

mod api;
mod cluster;
mod core;
mod cycle;
mod diagnosis;
mod nodeset;
mod pod;
mod queue;
mod resident;
mod scheduler;
#[cfg(test)]
mod throughput;

pub use resident::{FailurePolicy, Settings};
pub use scheduler::{Options, Scheduler, SchedulerError};
