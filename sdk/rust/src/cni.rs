//! Network drivers: they decide addresses and routes, the host's capabilities carry them out.

use serde::Deserialize;
use serde_json::Value;

mod host;

#[doc(hidden)]
pub use host::Exports;

/// A network driver. What it has given away is resident: after a restart the host calls `restore`.
pub trait Driver: Default + 'static {
    fn configure(&mut self, settings: Settings) -> Result<(), String>;
    /// What is attached already, before the first `add`.
    fn restore(&mut self, attachments: Vec<Attachment>) -> Result<(), String>;
    /// Connects a sandbox; for a sandbox connected before it returns the same attachment.
    fn add(&mut self, sandbox: &dyn Sandbox, pod: &Pod) -> Result<Attachment, String>;
    /// Disconnects; no error when there is nothing.
    fn del(&mut self, sandbox: &dyn Sandbox, attachment: &Attachment) -> Result<(), String>;
}

/// Turns an implementation of [`Driver`] into a component. Does nothing in a native build.
#[macro_export]
macro_rules! export_cni {
    ($driver:ident) => {
        #[cfg(target_family = "wasm")]
        mod __orch_component {
            pub struct Component;
            thread_local! {
                static STATE: $crate::Resident<super::$driver> = ::core::default::Default::default();
            }
            impl $crate::cni::Exports for Component {
                type Driver = super::$driver;
                fn with<R>(f: impl FnOnce(&mut super::$driver) -> R) -> R {
                    STATE.with(|state| f(&mut state.borrow_mut()))
                }
            }
            $crate::bindings::cni::export!(Component with_types_in $crate::bindings::cni);
        }
    };
}

/// What the node tells its driver.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct Settings {
    #[serde(rename = "podCIDRs", default)]
    pub pod_cidrs: Vec<String>,
    /// 0: the kernel's.
    #[serde(default)]
    pub mtu: u32,
    /// `spec.config`.
    #[serde(default)]
    pub config: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    pub sandbox_id: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attachment {
    pub sandbox_id: String,
    /// The primary address first, without prefix length.
    pub ips: Vec<String>,
    pub node_interface: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Sandbox,
    Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: String,
    pub gateway: Option<String>,
    /// Routes without a gateway only.
    pub link_scope: bool,
}

/// What a driver may do to the one sandbox it was handed. Doing a thing again is no error.
pub trait Sandbox {
    /// A veth pair, both ends up.
    fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String>;
    fn remove_veth(&self, node_name: &str) -> Result<(), String>;
    fn add_address(&self, side: Side, cidr: &str) -> Result<(), String>;
    fn add_route(&self, side: Side, route: &Route) -> Result<(), String>;
    /// A permanent neighbour inside the sandbox with the link address of the pair's node end.
    fn add_neighbour(&self, ip: &str) -> Result<(), String>;
    /// `ipv4/proxy_arp`, `ipv4/rp_filter`, …
    fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String>;
}
