//! Images, layers, the shim, libcontainer, cgroups. The only home of `unsafe`. Knows nothing of
//! Kubernetes.

pub mod runtime;
