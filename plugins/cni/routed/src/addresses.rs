//! Which sandbox has which addresses. An address is not given again right away: the search goes on
//! from the last one given, so that a new pod does not answer for connections to an old one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use orch_sdk::cni::Attachment;

use crate::range::Range;

#[derive(Debug, Default)]
pub struct Addresses {
    pools: Vec<Pool>,
    attached: HashMap<String, Attachment>,
}

#[derive(Debug)]
struct Pool {
    range: Range,
    taken: HashSet<u128>,
    /// Where the next search begins.
    next: u128,
}

impl Addresses {
    /// New ranges; what is attached stays, and is taken in the new ranges where it lies in them.
    pub fn configure(&mut self, ranges: Vec<Range>) {
        self.pools = ranges.into_iter().map(Pool::new).collect();
        let attached: Vec<Attachment> = self.attached.values().cloned().collect();
        attached.into_iter().for_each(|known| self.restore(known));
    }

    pub fn restore(&mut self, attachment: Attachment) {
        for address in attachment.ips.iter().filter_map(|ip| ip.parse().ok()) {
            self.pools.iter_mut().for_each(|pool| pool.take(address));
        }
        self.attached.insert(attachment.sandbox_id.clone(), attachment);
    }

    pub fn of(&self, sandbox_id: &str) -> Option<&Attachment> {
        self.attached.get(sandbox_id)
    }

    /// One address of each family that the node has a range of.
    pub fn allocate(&mut self, sandbox_id: &str, node_interface: String) -> Result<Attachment, String> {
        let mut ips: Vec<IpAddr> = Vec::new();
        for pool in &mut self.pools {
            if ips.iter().any(|ip| ip.is_ipv4() == pool.range.is_v4()) {
                continue;
            }
            ips.extend(pool.give()); // a full range: the next of its family, if any
        }
        let families = |v4: bool| self.pools.iter().any(|pool| pool.range.is_v4() == v4);
        for v4 in [true, false] {
            if families(v4) && !ips.iter().any(|ip| ip.is_ipv4() == v4) {
                self.give_back(&ips);
                return Err(format!("no free address in {}", self.ranges(v4)));
            }
        }
        let ips = ips.iter().map(IpAddr::to_string).collect();
        let attachment = Attachment { sandbox_id: sandbox_id.into(), ips, node_interface };
        self.attached.insert(sandbox_id.into(), attachment.clone());
        Ok(attachment)
    }

    pub fn release(&mut self, sandbox_id: &str) {
        if let Some(attachment) = self.attached.remove(sandbox_id) {
            let ips: Vec<IpAddr> = attachment.ips.iter().filter_map(|ip| ip.parse().ok()).collect();
            self.give_back(&ips);
        }
    }

    fn give_back(&mut self, ips: &[IpAddr]) {
        for ip in ips {
            self.pools.iter_mut().for_each(|pool| pool.free(*ip));
        }
    }

    fn ranges(&self, v4: bool) -> String {
        let ranges = self.pools.iter().filter(|pool| pool.range.is_v4() == v4);
        ranges.map(|pool| pool.range.to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Pool {
    fn new(range: Range) -> Self {
        Pool { range, taken: HashSet::new(), next: range.usable().start }
    }

    fn take(&mut self, address: IpAddr) {
        if let Some(place) = self.range.place(address) {
            self.taken.insert(place);
            // After a restart too, the search goes on behind what is known to be in use.
            self.next = self.next.max(place + 1);
        }
    }

    fn free(&mut self, address: IpAddr) {
        if let Some(place) = self.range.place(address) {
            self.taken.remove(&place);
        }
    }

    fn give(&mut self) -> Option<IpAddr> {
        let usable = self.range.usable();
        let place = (self.next..usable.end).chain(usable.start..self.next.min(usable.end));
        let place = place.into_iter().find(|place| !self.taken.contains(place))?;
        self.taken.insert(place);
        self.next = place + 1;
        Some(self.range.address(place))
    }
}
