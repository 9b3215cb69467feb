//! End to end: real hosts, real clients, a real registry and a real Postgres. Needs root.

#![allow(clippy::unwrap_used)] // a test ends where it fails

mod access;
mod bad_input;
mod clients;
mod crd;
mod hello;
mod images;
mod operators;
mod own_client;
mod policy;
mod scheduling;
mod sim;
mod sources;
mod survival;
mod tutorial;
