//! The `network` import: the capabilities of the sandbox that a call was handed.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};

use crate::calls::cni::{Route, SandboxNetwork, Side};
use crate::worlds::bindings::cni::orch::cni::network;
use crate::worlds::{HostState, waiting};

/// What a driver holds for the length of a call.
pub struct Sandbox(Arc<dyn SandboxNetwork>);

impl Sandbox {
    pub(super) fn new(sandbox: Arc<dyn SandboxNetwork>) -> Self {
        Sandbox(sandbox)
    }
}

impl HostState<ResourceTable> {
    fn sandbox(&self, handle: &Resource<Sandbox>) -> Result<Arc<dyn SandboxNetwork>, String> {
        let sandbox = self.extra.get(handle).map_err(|error| error.to_string())?;
        Ok(sandbox.0.clone())
    }
}

impl network::Host for HostState<ResourceTable> {}

impl network::HostSandbox for HostState<ResourceTable> {
    async fn add_veth(
        &mut self,
        sandbox: Resource<Sandbox>,
        node_name: String,
        sandbox_name: String,
        mtu: u32,
    ) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        waiting(&self.clock.meter, sandbox.add_veth(&node_name, &sandbox_name, mtu)).await
    }

    async fn remove_veth(&mut self, sandbox: Resource<Sandbox>, node_name: String) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        waiting(&self.clock.meter, sandbox.remove_veth(&node_name)).await
    }

    async fn add_address(
        &mut self,
        sandbox: Resource<Sandbox>,
        side: network::Side,
        cidr: String,
    ) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        waiting(&self.clock.meter, sandbox.add_address(side.into(), &cidr)).await
    }

    async fn add_route(
        &mut self,
        sandbox: Resource<Sandbox>,
        side: network::Side,
        route: network::Route,
    ) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        let network::Route { destination, gateway, link_scope } = route;
        let route = Route { destination, gateway, link_scope };
        waiting(&self.clock.meter, sandbox.add_route(side.into(), route)).await
    }

    async fn add_neighbour(&mut self, sandbox: Resource<Sandbox>, ip: String) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        waiting(&self.clock.meter, sandbox.add_neighbour(&ip)).await
    }

    async fn set_sysctl(
        &mut self,
        sandbox: Resource<Sandbox>,
        side: network::Side,
        key: String,
        value: String,
    ) -> Result<(), String> {
        let sandbox = self.sandbox(&sandbox)?;
        waiting(&self.clock.meter, sandbox.set_sysctl(side.into(), &key, &value)).await
    }

    // The host owns the sandbox and lends it: a driver never has one to drop.
    async fn drop(&mut self, _: Resource<Sandbox>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl From<network::Side> for Side {
    fn from(side: network::Side) -> Self {
        match side {
            network::Side::Sandbox => Side::Sandbox,
            network::Side::Node => Side::Node,
        }
    }
}
