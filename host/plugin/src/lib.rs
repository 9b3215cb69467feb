//! Wasm components as policies: engine, worlds, limits, artifacts, hot swap. Knows nothing of
//! Kubernetes' semantics.

pub mod calls;
