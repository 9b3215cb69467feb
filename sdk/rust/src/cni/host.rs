//! The component's side of `orch:cni`.

use super::{Attachment, Driver, Pod, Route, Sandbox, Side};
use crate::bindings::cni::exports::orch::cni::driver as wit;
use crate::bindings::cni::orch::cni::network;

/// Implemented by `export_cni!`: where the one instance of the driver lives.
pub trait Exports: 'static {
    type Driver: Driver;
    fn with<R>(f: impl FnOnce(&mut Self::Driver) -> R) -> R;
}

impl<T: Exports> wit::Guest for T {
    fn configure(settings: String) -> Result<(), String> {
        crate::log::report_panics();
        let settings = serde_json::from_str(&settings).map_err(|error| format!("settings: {error}"))?;
        T::with(|driver| driver.configure(settings))
    }

    fn restore(attachments: Vec<wit::Attachment>) -> Result<(), String> {
        T::with(|driver| driver.restore(attachments.into_iter().map(Attachment::from).collect()))
    }

    fn add(sandbox: &network::Sandbox, pod: wit::Pod) -> Result<wit::Attachment, String> {
        let wit::Pod { sandbox_id, namespace, name, uid } = pod;
        let pod = Pod { sandbox_id, namespace, name, uid };
        T::with(|driver| driver.add(sandbox, &pod)).map(wit::Attachment::from)
    }

    fn del(sandbox: &network::Sandbox, attachment: wit::Attachment) -> Result<(), String> {
        T::with(|driver| driver.del(sandbox, &attachment.into()))
    }
}

impl Sandbox for network::Sandbox {
    fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String> {
        network::Sandbox::add_veth(self, node_name, sandbox_name, mtu)
    }
    fn remove_veth(&self, node_name: &str) -> Result<(), String> {
        network::Sandbox::remove_veth(self, node_name)
    }
    fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        network::Sandbox::add_address(self, side.into(), cidr)
    }
    fn add_route(&self, side: Side, route: &Route) -> Result<(), String> {
        let Route { destination, gateway, link_scope } = route.clone();
        network::Sandbox::add_route(self, side.into(), &network::Route { destination, gateway, link_scope })
    }
    fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        network::Sandbox::add_neighbour(self, ip)
    }
    fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        network::Sandbox::set_sysctl(self, side.into(), key, value)
    }
}

impl From<Side> for network::Side {
    fn from(side: Side) -> Self {
        match side {
            Side::Sandbox => network::Side::Sandbox,
            Side::Node => network::Side::Node,
        }
    }
}

impl From<wit::Attachment> for Attachment {
    fn from(attachment: wit::Attachment) -> Self {
        let wit::Attachment { sandbox_id, ips, node_interface } = attachment;
        Attachment { sandbox_id, ips, node_interface }
    }
}

impl From<Attachment> for wit::Attachment {
    fn from(attachment: Attachment) -> Self {
        let Attachment { sandbox_id, ips, node_interface } = attachment;
        wit::Attachment { sandbox_id, ips, node_interface }
    }
}
