//! The API as clients see it: plain HTTP against a base URL.
//!
//! A server of its own on SQLite in a temporary folder; with `ORCH_WIRE_KUBECONFIG` (a file as
//! `orch up` writes it) the same tests judge any other Kubernetes API.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod fixture;
mod outside;

mod access;
mod aggregation;
mod bad_input;
mod certificates;
mod content;
mod conversion;
mod definitions;
mod deletion;
mod discovery;
mod lists;
mod metrics;
mod objects;
mod patches;
mod policies;
mod proxy;
mod security;
mod services;
mod watches;
mod webhooks;
