//! Runs controllers that are plugins: informers per watched kind, shared between them; keys from
//! changes; a rate-limited queue and workers for each; the API as each one's own service account
//! sees it. Which controllers exist, and what they do, is not known here.
//!
//! ```text
//! informer of a kind ──► cache ──► changes that touch an interest ──► keys ──► queue ──► workers
//!                          ▲                                                               │
//!                          └────────── reads ◄── ControllerApi ◄── reconcile(key) ◄────────┘
//! ```
//!
//! **Read your writes.** A controller's reads from a cache wait until what the same controller wrote
//! has arrived there, so that controllers need no expectations: after `create`, `list` has it.
//!
//! **Trials.** A canary works on its own keys, the version that serves on the others, out of one
//! queue: no key is in two hands. A shadow looks at each key just before the version that serves does;
//! its writes are tried in a dry run, kept for its own reads, and compared with what is then written.

mod api;
mod attempt;
mod cache;
mod controller;
mod controllers;
mod informers;
mod mapping;
mod metrics;
mod pretended;
mod queue;
mod versions;
mod writes;

pub use controllers::{Clients, Controllers, ControllersError};
pub use metrics::Metrics;
