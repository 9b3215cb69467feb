//! Session affinity as nftables text: every front that has it gets a chain of its own, and every
//! endpoint of the front a set with the clients that it answered lately.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddrV4;

use super::plan::{Backends, Front, Plan};
use super::rules::MASQUERADE;
use crate::nft::TABLE;

/// Clients that one endpoint remembers; beyond that new ones are not remembered.
const CLIENTS: u32 = 65536;

/// The fronts with affinity that are in the kernel.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sticky(BTreeMap<Front, Backends>);

/// The chain of a front: `s-10.96.0.7-tcp-80`, `s-node-udp-30053`.
pub fn chain(front: &Front) -> String {
    match front {
        Front::Address(ip, protocol, port) => format!("s-{ip}-{}-{port}", protocol.word()),
        Front::Node(protocol, port) | Front::Host(protocol, port) => {
            format!("s-node-{}-{port}", protocol.word())
        }
    }
}

fn clients(front: &Front, endpoint: &SocketAddrV4) -> String {
    format!("{}-{}-{}", chain(front), endpoint.ip(), endpoint.port())
}

impl Sticky {
    pub fn of(plan: &Plan) -> Sticky {
        let wanted =
            plan.fronts.iter().filter(|(_, to)| to.affinity_seconds.is_some() && !to.endpoints.is_empty());
        Sticky(wanted.map(|(front, to)| (front.clone(), to.clone())).collect())
    }

    /// What comes before the fronts lead to their new chains, and what after they have left the old.
    /// An endpoint that stays keeps its clients.
    pub fn toward(&self, next: &Sticky) -> (String, String) {
        let (mut before, mut after) = (String::new(), String::new());
        for (front, to) in &next.0 {
            if self.0.get(front) != Some(to) {
                replace(&mut before, front, self.0.get(front), to);
            }
        }
        for (front, from) in self.0.iter().filter(|(front, _)| !next.0.contains_key(front)) {
            let chain = chain(front);
            let _ = writeln!(after, "flush chain {TABLE} {chain}\ndelete chain {TABLE} {chain}");
            for endpoint in &from.endpoints {
                let _ = writeln!(after, "delete set {TABLE} {}", clients(front, endpoint));
            }
        }
        (before, after)
    }
}

fn replace(script: &mut String, front: &Front, from: Option<&Backends>, to: &Backends) {
    let chain = chain(front);
    let mut line = |text: String| {
        script.push_str(&text);
        script.push('\n');
    };
    line(format!("add chain {TABLE} {chain}"));
    line(format!("flush chain {TABLE} {chain}"));
    let same_time = from.is_some_and(|from| from.affinity_seconds == to.affinity_seconds);
    let old = from.map_or(&[][..], |from| &from.endpoints);
    let stays = |endpoint: &&SocketAddrV4, others: &[SocketAddrV4]| same_time && others.contains(endpoint);
    for endpoint in old.iter().filter(|endpoint| !stays(endpoint, &to.endpoints)) {
        line(format!("delete set {TABLE} {}", clients(front, endpoint)));
    }
    for endpoint in to.endpoints.iter().filter(|endpoint| !stays(endpoint, old)) {
        line(format!(
            "add set {TABLE} {} {{ type ipv4_addr; size {CLIENTS}; flags dynamic,timeout; timeout {}s; }}",
            clients(front, endpoint),
            to.affinity_seconds.unwrap_or_default()
        ));
    }
    let protocol = match front {
        Front::Address(_, protocol, _) | Front::Host(protocol, _) => protocol,
        Front::Node(protocol, _) => {
            line(format!("add rule {TABLE} {chain} ct mark set {MASQUERADE}"));
            protocol
        }
    };
    let lead = |endpoint: &SocketAddrV4| {
        let clients = clients(front, endpoint);
        format!("update @{clients} {{ ip saddr }} meta l4proto {} dnat ip to {endpoint}", protocol.word())
    };
    for endpoint in &to.endpoints {
        line(format!("add rule {TABLE} {chain} ip saddr @{} {}", clients(front, endpoint), lead(endpoint)));
    }
    line(format!("add rule {TABLE} {chain} meta mark set numgen random mod {}", to.endpoints.len()));
    for (number, endpoint) in to.endpoints.iter().enumerate() {
        line(format!("add rule {TABLE} {chain} meta mark {number} {}", lead(endpoint)));
    }
}
