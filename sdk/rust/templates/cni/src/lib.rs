//! Gives each pod the lowest free address of the node's range, routed to a veth of its own.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use orch_sdk::cni::{Attachment, Driver, Pod, Route, Sandbox, Settings, Side};

/// Answered for by the node's end of every veth.
const GATEWAY: &str = "169.254.1.1";

#[derive(Default)]
pub struct {{Pascal}} {
    range: std::ops::Range<u32>,
    mtu: u32,
    attached: BTreeMap<String, Attachment>,
}

orch_sdk::export_cni!({{Pascal}});

impl Driver for {{Pascal}} {
    fn configure(&mut self, settings: Settings) -> Result<(), String> {
        let cidr = settings.pod_cidrs.first().ok_or("podCIDRs: the node has none yet")?;
        self.range = range(cidr).ok_or(format!("podCIDRs: {cidr} is no IPv4 range"))?;
        self.mtu = settings.mtu;
        Ok(())
    }

    fn restore(&mut self, attachments: Vec<Attachment>) -> Result<(), String> {
        self.attached = attachments.into_iter().map(|known| (known.sandbox_id.clone(), known)).collect();
        Ok(())
    }

    fn add(&mut self, sandbox: &dyn Sandbox, pod: &Pod) -> Result<Attachment, String> {
        if let Some(known) = self.attached.get(&pod.sandbox_id) {
            return Ok(known.clone());
        }
        let taken = |ip: &String| self.attached.values().any(|other| other.ips.contains(ip));
        let mut free = self.range.clone().map(|ip| Ipv4Addr::from(ip).to_string()).filter(|ip| !taken(ip));
        let ip = free.next().ok_or("no address is left in the node's range")?;
        // The kernel's limit for a name is 15 bytes.
        let node_interface = format!("v{}", ip.replace('.', ""));
        let attachment = Attachment { sandbox_id: pod.sandbox_id.clone(), ips: vec![ip], node_interface };
        connect(sandbox, &attachment, self.mtu)?;
        self.attached.insert(pod.sandbox_id.clone(), attachment.clone());
        Ok(attachment)
    }

    fn del(&mut self, sandbox: &dyn Sandbox, attachment: &Attachment) -> Result<(), String> {
        sandbox.remove_veth(&attachment.node_interface)?;
        self.attached.remove(&attachment.sandbox_id);
        Ok(())
    }
}

fn connect(sandbox: &dyn Sandbox, attachment: &Attachment, mtu: u32) -> Result<(), String> {
    let direct = |ip: &str| Route { destination: format!("{ip}/32"), gateway: None, link_scope: true };
    let default =
        Route { destination: "0.0.0.0/0".into(), gateway: Some(GATEWAY.into()), link_scope: false };
    let ip = &attachment.ips[0];
    sandbox.add_veth(&attachment.node_interface, "eth0", mtu)?;
    sandbox.set_sysctl(Side::Node, "ipv4/proxy_arp", "1")?;
    sandbox.add_address(Side::Node, &format!("{GATEWAY}/32"))?;
    sandbox.add_address(Side::Sandbox, &format!("{ip}/32"))?;
    sandbox.add_neighbour(GATEWAY)?;
    sandbox.add_route(Side::Sandbox, &direct(GATEWAY))?;
    sandbox.add_route(Side::Sandbox, &default)?;
    sandbox.add_route(Side::Node, &direct(ip))
}

/// The addresses of `10.244.0.0/24` but the first, which is the network's, and the last.
fn range(cidr: &str) -> Option<std::ops::Range<u32>> {
    let (address, length) = cidr.split_once('/')?;
    let size = 1u32.checked_shl(32u32.checked_sub(length.parse().ok()?)?)?;
    let first = u32::from(address.parse::<Ipv4Addr>().ok()?) & !(size - 1);
    Some(first + 1..first + size - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::FakeSandbox;

    #[test]
    fn addresses_are_given_and_taken_back() {
        let mut driver = {{Pascal}}::default();
        let settings = |cidr: &str| Settings { pod_cidrs: vec![cidr.into()], ..Settings::default() };
        assert!(driver.configure(settings("nonsense")).is_err());
        driver.configure(settings("10.244.3.0/30")).unwrap();
        let sandbox = FakeSandbox::new();
        let mut add = |driver: &mut {{Pascal}}, id: &str| {
            driver.add(&sandbox, &Pod { sandbox_id: id.into(), ..Pod::default() })
        };
        let first = add(&mut driver, "a").unwrap();
        assert_eq!(first.ips, ["10.244.3.1"]);
        assert_eq!(add(&mut driver, "a").unwrap(), first);
        assert_eq!(add(&mut driver, "b").unwrap().ips, ["10.244.3.2"]);
        assert!(add(&mut driver, "c").is_err());
        driver.del(&FakeSandbox::new(), &first).unwrap();
        assert_eq!(add(&mut driver, "c").unwrap().ips, ["10.244.3.1"]);
    }
}
