//! A sandbox's network that remembers what was done to it.

use async_trait::async_trait;
use orch_plugin::calls::cni::{Route, SandboxNetwork, Side};
use parking_lot::Mutex;

#[derive(Default)]
pub struct Sandbox(Mutex<Vec<String>>);

impl Sandbox {
    /// What was done since this was last asked.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }

    fn call(&self, call: String) -> Result<(), String> {
        self.0.lock().push(call);
        Ok(())
    }
}

#[async_trait]
impl SandboxNetwork for Sandbox {
    async fn add_veth(&self, node: &str, sandbox: &str, mtu: u32) -> Result<(), String> {
        self.call(format!("veth {node} {sandbox} {mtu}"))
    }
    async fn remove_veth(&self, node: &str) -> Result<(), String> {
        self.call(format!("remove {node}"))
    }
    async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.call(format!("address {side:?} {cidr}"))
    }
    async fn add_route(&self, side: Side, route: Route) -> Result<(), String> {
        self.call(format!("route {side:?} {}", route.destination))
    }
    async fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.call(format!("neighbour {ip}"))
    }
    async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.call(format!("sysctl {side:?} {key}={value}"))
    }
}
