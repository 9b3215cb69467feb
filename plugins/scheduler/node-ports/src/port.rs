//! The host ports of a pod, with upstream's defaults written out.

use orch_sdk::pod::{Pod, Port};
use orch_sdk::serde::Deserialize;

const ANY: &str = "0.0.0.0";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    port: u16,
    protocol: String,
    /// `0.0.0.0`: every address of the node.
    address: String,
}

impl HostPort {
    pub fn conflicts(&self, other: &HostPort) -> bool {
        let overlap = self.address == other.address || self.address == ANY || other.address == ANY;
        self.port == other.port && overlap && self.protocol == other.protocol
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Container {
    ports: Option<Vec<Port>>,
    restart_policy: Option<String>,
}

impl Container {
    fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

/// Those of containers and sidecars.
pub fn read(pod: &str) -> Result<Vec<HostPort>, String> {
    let spec = Pod::<Spec>::parse(pod)?.spec;
    let sidecars = spec.init_containers.into_iter().flatten().filter(Container::is_sidecar);
    let containers = spec.containers.into_iter().flatten().chain(sidecars);
    let ports = containers.flat_map(|container| container.ports.unwrap_or_default());
    let or = |text: String, default: &str| if text.is_empty() { default.into() } else { text };
    Ok(ports
        .filter(|port| port.host_port > 0)
        .map(|port| HostPort {
            port: port.host_port,
            protocol: or(port.protocol, "TCP"),
            address: or(port.host_ip, ANY),
        })
        .collect())
}
