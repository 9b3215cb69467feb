//! Pod networks, Services and DNS: netlink, nftables named maps, hickory. The CNI component decides
//! addresses and routes; what is here carries them out.

mod attach;
mod dns;
mod netlink;
mod nft;
mod node;
mod sandbox;
mod services;

use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use orch_plugin::calls::cni::{Attachment, Pod};

pub use attach::Pods;
pub use node::{Config, Network, purge};

#[derive(Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct NetworkError {
    pub what: String,
    pub message: String,
}

/// What the node agent asks for a pod.
#[async_trait]
pub trait PodNetwork: Send + Sync + 'static {
    /// Connects the sandbox whose network namespace is pinned at this path. Idempotent.
    async fn attach(&self, namespace: &Path, pod: &Pod) -> Result<Attachment, NetworkError>;
    /// Disconnects; no error when there is nothing.
    async fn detach(&self, namespace: &Path, sandbox_id: &str) -> Result<(), NetworkError>;
    /// Name servers for pods with `dnsPolicy: ClusterFirst`.
    fn cluster_dns(&self) -> Vec<IpAddr>;
    /// `cluster.local`
    fn cluster_domain(&self) -> &str;
}
