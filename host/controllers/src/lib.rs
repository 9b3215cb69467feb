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

mod api;
mod cache;
mod controller;
mod controllers;
mod informers;
mod mapping;
mod metrics;
mod queue;
mod writes;

pub use controllers::{Clients, Controllers, ControllersError};
pub use metrics::Metrics;
