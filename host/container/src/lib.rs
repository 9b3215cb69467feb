//! Images, layers, the shim, libcontainer, cgroups. Home of all `unsafe` but that with which
//! `host/plugin` loads code that it compiled itself. Knows nothing of Kubernetes.
//!
//! `images` (what is here, where it came from) → `rootfs` (layers put together) → `spec` (what the
//! kernel is told) → `shim` (one process per container, which outlives the daemon) → `container` (the
//! daemon's view of it). `sandbox` is what containers of a pod share; `cgroup` is orch's own use of them.

mod cgroup;
mod container;
pub mod images;
mod orch;
mod purge;
mod rootfs;
pub mod runtime;
mod sandbox;
pub mod shim;
mod spec;
pub mod terminal;

pub use crate::images::registry::{Authority, RegistryConfig};
pub use crate::orch::{Config, OrchRuntime, default_cgroup_root};
pub use crate::purge::purge;

use crate::runtime::RuntimeError;

/// Work that blocks, away from the threads that must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(RuntimeError::Other(e.to_string())))
}

async fn blocking_io<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}
