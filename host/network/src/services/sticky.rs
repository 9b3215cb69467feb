//! Session affinity as nftables text: every front that has it gets a chain of its own, and every
//! endpoint of the front a set with the clients that it answered lately.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::plan::{Backends, Front, Plan, Protocol};
use super::rules::MASQUERADE;
use crate::nft::TABLE;

/// Clients that one endpoint remembers; beyond that new ones are not remembered.
const CLIENTS: u32 = 65536;

/// The fronts with affinity that are in the kernel.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sticky(BTreeMap<StickyFront, Remembered>);

/// A front that may have affinity: a Service's. A `hostPort` has one pod, and nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum StickyFront {
    Address(Ipv4Addr, Protocol, u16),
    Node(Protocol, u16),
}

/// Who answers, and how many seconds after a client knocked last it is still led to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remembered {
    endpoints: Vec<SocketAddrV4>,
    seconds: u64,
}

/// The chain that remembers the clients of a front; `None`: nobody does.
pub fn chain(front: &Front, to: &Backends) -> Option<String> {
    to.affinity_seconds.and_then(|_| StickyFront::of(front)).map(|front| front.chain())
}

impl StickyFront {
    fn of(front: &Front) -> Option<StickyFront> {
        match *front {
            Front::Address(ip, protocol, port) => Some(StickyFront::Address(ip, protocol, port)),
            Front::Node(protocol, port) => Some(StickyFront::Node(protocol, port)),
            Front::Host(..) => None,
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            StickyFront::Address(_, protocol, _) | StickyFront::Node(protocol, _) => *protocol,
        }
    }

    /// `s-10.96.0.7-tcp-80`, `s-node-udp-30053`.
    fn chain(&self) -> String {
        match self {
            StickyFront::Address(ip, protocol, port) => format!("s-{ip}-{}-{port}", protocol.word()),
            StickyFront::Node(protocol, port) => format!("s-node-{}-{port}", protocol.word()),
        }
    }

    /// The set with an endpoint's clients.
    fn clients(&self, endpoint: &SocketAddrV4) -> String {
        format!("{}-{}-{}", self.chain(), endpoint.ip(), endpoint.port())
    }
}

impl Sticky {
    pub fn of(plan: &Plan) -> Sticky {
        let remembered = |(front, to): (&Front, &Backends)| {
            let (front, seconds) = (StickyFront::of(front)?, to.affinity_seconds?);
            let endpoints = to.endpoints.clone();
            (!endpoints.is_empty()).then_some((front, Remembered { endpoints, seconds }))
        };
        Sticky(plan.fronts.iter().filter_map(remembered).collect())
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
            let chain = front.chain();
            let _ = writeln!(after, "flush chain {TABLE} {chain}\ndelete chain {TABLE} {chain}");
            for endpoint in &from.endpoints {
                let _ = writeln!(after, "delete set {TABLE} {}", front.clients(endpoint));
            }
        }
        (before, after)
    }
}

fn replace(script: &mut String, front: &StickyFront, from: Option<&Remembered>, to: &Remembered) {
    let chain = front.chain();
    let mut line = |text: String| {
        script.push_str(&text);
        script.push('\n');
    };
    line(format!("add chain {TABLE} {chain}"));
    line(format!("flush chain {TABLE} {chain}"));
    let same_time = from.is_some_and(|from| from.seconds == to.seconds);
    let old = from.map_or(&[][..], |from| &from.endpoints);
    let stays = |endpoint: &&SocketAddrV4, others: &[SocketAddrV4]| same_time && others.contains(endpoint);
    for endpoint in old.iter().filter(|endpoint| !stays(endpoint, &to.endpoints)) {
        line(format!("delete set {TABLE} {}", front.clients(endpoint)));
    }
    for endpoint in to.endpoints.iter().filter(|endpoint| !stays(endpoint, old)) {
        line(format!(
            "add set {TABLE} {} {{ type ipv4_addr; size {CLIENTS}; flags dynamic,timeout; timeout {}s; }}",
            front.clients(endpoint),
            to.seconds
        ));
    }
    if matches!(front, StickyFront::Node(..)) {
        line(format!("add rule {TABLE} {chain} ct mark set {MASQUERADE}"));
    }
    let protocol = front.protocol().word();
    let lead = |endpoint: &SocketAddrV4| {
        let clients = front.clients(endpoint);
        format!("update @{clients} {{ ip saddr }} meta l4proto {protocol} dnat ip to {endpoint}")
    };
    for endpoint in &to.endpoints {
        line(format!("add rule {TABLE} {chain} ip saddr @{} {}", front.clients(endpoint), lead(endpoint)));
    }
    line(format!("add rule {TABLE} {chain} meta mark set numgen random mod {}", to.endpoints.len()));
    for (number, endpoint) in to.endpoints.iter().enumerate() {
        line(format!("add rule {TABLE} {chain} meta mark {number} {}", lead(endpoint)));
    }
}
