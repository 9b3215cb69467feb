//! What the wiring tells the node agent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use orch_container::runtime::Credentials;

#[derive(Debug, Clone, Default)]
pub struct Config {
    pub node_name: String,
    /// The host's data directory; the agent uses `pods/` and `logs/pods/` below it.
    pub data_dir: PathBuf,
    /// `InternalIP`s, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Address `Hostname`; empty: the node's name.
    pub hostname: String,
    /// Over `kubernetes.io/hostname`, `/os`, `/arch`: `node-role.kubernetes.io/control-plane`, ….
    pub labels: BTreeMap<String, String>,
    /// `spec.podCIDRs`, set when the node has none yet.
    pub pod_cidrs: Vec<String>,
    /// Empty: 110.
    pub max_pods: Option<u32>,
    /// `kubeletVersion`, the same as `/version` says.
    pub version: String,
    /// Where the node's own HTTPS port is (`status.daemonEndpoints`), when it has one.
    pub port: Option<u16>,
    /// Registry host (`registry.example:5000`) to credentials; pull secrets come first.
    pub registry_credentials: BTreeMap<String, Credentials>,
}
