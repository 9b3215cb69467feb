//! The scheduler's mechanism: queue, node table, cycle, assume and bind. Every judgement about a
//! pod and a node is a [`SchedulerPlugin`](orch_plugin::calls::scheduler::SchedulerPlugin)'s; the
//! state it judges by lives in the plugin and is pushed there as it changes.
//!
//! ```text
//! informers ──► cluster ──changes──► resident state of each plugin
//!     │                                      │
//!     └──► queue ──pod──► cycle: filters, scores ──► assume ──► reserve, permit, pre-bind ──► bind
//!            ▲                                                     │
//!            └──────────── back-off, wake on interest ◄────────────┘ on failure
//! ```
//!
//! One thread owns all of it ([`core`]); what waits for the API runs as tasks ([`api`]).

mod answers;
mod api;
#[cfg(test)]
mod builtin;
mod cluster;
mod core;
mod cycle;
mod diagnosis;
mod flight;
mod lineup;
mod metrics;
mod nodeset;
mod pod;
mod preempt;
mod queue;
pub mod replay;
mod resident;
mod scheduler;
mod settings;
mod shadow;
#[cfg(test)]
mod throughput;
pub mod trace;

pub use metrics::Metrics;
pub use scheduler::{Options, Scheduler, SchedulerError};
pub use settings::{FailurePolicy, Settings};
