//! Routed pods: each has a /32 (and /128) on a veth of its own, no bridge. The node's end answers for
//! the link-local gateway, the node has a host route to each pod, and so whatever reaches a pod
//! passes the node's own routing and filtering.

use std::net::IpAddr;

use orch_sdk::cni::{Attachment, Driver, Pod, Route, Sandbox, Settings, Side};

mod addresses;
mod range;

use addresses::Addresses;
use range::Range;

const INTERFACE: &str = "eth0";
/// Link-local, so that it collides with no address a pod wants to reach.
const GATEWAY_V4: &str = "169.254.1.1";
const GATEWAY_V6: &str = "fe80::1";

#[derive(Default)]
pub struct Routed {
    mtu: u32,
    addresses: Addresses,
}

orch_sdk::export_cni!(Routed);

impl Driver for Routed {
    fn configure(&mut self, settings: Settings) -> Result<(), String> {
        let ranges = settings.pod_cidrs.iter().map(|cidr| Range::parse(cidr));
        let ranges = ranges.collect::<Result<Vec<_>, _>>().map_err(|error| format!("podCIDRs: {error}"))?;
        if ranges.is_empty() {
            return Err("podCIDRs: the node has none yet".into());
        }
        self.mtu = settings.mtu;
        self.addresses.configure(ranges);
        Ok(())
    }

    fn restore(&mut self, attachments: Vec<Attachment>) -> Result<(), String> {
        attachments.into_iter().for_each(|known| self.addresses.restore(known));
        Ok(())
    }

    fn add(&mut self, sandbox: &dyn Sandbox, pod: &Pod) -> Result<Attachment, String> {
        let attachment = match self.addresses.of(&pod.sandbox_id) {
            Some(known) => known.clone(),
            None => self.addresses.allocate(&pod.sandbox_id, node_interface(&pod.sandbox_id))?,
        };
        if let Err(error) = connect(sandbox, &attachment, self.mtu) {
            // Best effort: the error that is reported is the one that stopped us.
            let _ = sandbox.remove_veth(&attachment.node_interface);
            self.addresses.release(&pod.sandbox_id);
            return Err(error);
        }
        Ok(attachment)
    }

    fn del(&mut self, sandbox: &dyn Sandbox, attachment: &Attachment) -> Result<(), String> {
        let interface = match attachment.node_interface.as_str() {
            "" => node_interface(&attachment.sandbox_id),
            known => known.into(),
        };
        sandbox.remove_veth(&interface)?;
        self.addresses.release(&attachment.sandbox_id);
        Ok(())
    }
}

fn connect(sandbox: &dyn Sandbox, attachment: &Attachment, mtu: u32) -> Result<(), String> {
    let node = &attachment.node_interface;
    sandbox.add_veth(node, INTERFACE, mtu).map_err(|error| format!("veth {node}: {error}"))?;
    for ip in &attachment.ips {
        let parsed: IpAddr = ip.parse().map_err(|_| format!("{ip} is no address"))?;
        connect_address(sandbox, parsed).map_err(|error| format!("address {ip}: {error}"))?;
    }
    Ok(())
}

fn connect_address(sandbox: &dyn Sandbox, ip: IpAddr) -> Result<(), String> {
    let (gateway, length, everything) = match ip {
        IpAddr::V4(_) => (GATEWAY_V4, 32, "0.0.0.0/0"),
        IpAddr::V6(_) => (GATEWAY_V6, 128, "::/0"),
    };
    if ip.is_ipv4() {
        // The node's end answers for every address, and for the gateway without owning it.
        sandbox.set_sysctl(Side::Node, "ipv4/proxy_arp", "1")?;
        sandbox.set_sysctl(Side::Node, "ipv4/rp_filter", "0")?;
        sandbox.add_address(Side::Node, &format!("{gateway}/{length}"))?;
    }
    sandbox.add_address(Side::Sandbox, &format!("{ip}/{length}"))?;
    sandbox.add_neighbour(gateway)?;
    let to_gateway = Route { destination: format!("{gateway}/{length}"), gateway: None, link_scope: true };
    sandbox.add_route(Side::Sandbox, &to_gateway)?;
    let default = Route { destination: everything.into(), gateway: Some(gateway.into()), link_scope: false };
    sandbox.add_route(Side::Sandbox, &default)?;
    let to_pod = Route { destination: format!("{ip}/{length}"), gateway: None, link_scope: true };
    sandbox.add_route(Side::Node, &to_pod)
}

/// At most 15 characters, the kernel's limit: the id's beginning, or a hash of it when it is no hex.
fn node_interface(sandbox_id: &str) -> String {
    let beginning = sandbox_id.get(..11).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match beginning {
        Some(id) => format!("orch{id}"),
        None => format!("orch{:011x}", hash(sandbox_id) & 0xfff_ffff_ffff),
    }
}

/// 64-bit FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests;
