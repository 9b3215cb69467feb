//! What a Service is given: a cluster IP and node ports.
//!
//! A value is reserved by an object of its own in the store, created before the Service is written
//! and deleted after it is gone: an address by its IPAddress, as upstream's. Creation is a
//! compare-and-swap, so a value has one owner however many hosts write at once; what a crash leaves
//! behind, [`Allocator::repair`] releases. Addresses are of the ServiceCIDRs that are ready.

mod range;
mod repair;
mod reservation;
mod service;

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use orch_object::{Kind, Status};
use orch_watch::Cache;
use serde_json::Value;

use range::Range;
use reservation::Reservation;

/// Hands out and takes back.
#[derive(Clone)]
pub struct Allocator {
    cache: Cache,
    /// The server's own range, until there is a ServiceCIDR.
    first: ServiceCidr,
    ports: Range,
}

/// A cluster-IP range: `10.96.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceCidr {
    pub base: Ipv4Addr,
    pub prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPv4 range such as 10.96.0.0/16 with a prefix between 8 and 28")]
pub struct InvalidCidr(String);

impl std::str::FromStr for ServiceCidr {
    type Err = InvalidCidr;
    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_string());
        let (base, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let base: Ipv4Addr = base.parse().map_err(|_| invalid())?;
        let prefix: u8 = prefix.parse().map_err(|_| invalid())?;
        if !(8..=28).contains(&prefix) {
            return Err(invalid());
        }
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(ServiceCidr { base: Ipv4Addr::from(u32::from(base) & mask), prefix })
    }
}

impl std::fmt::Display for ServiceCidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl ServiceCidr {
    /// The address at an offset: 1 is the API's own.
    pub fn address(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) + offset)
    }

    fn range(&self) -> Range {
        Range::of_network(self.base, self.prefix)
    }
}

/// Reservations made for a write that is still under way.
#[must_use]
#[derive(Default)]
pub struct Held(Vec<Reservation>);

impl Held {
    /// The write happened.
    pub fn keep(self) {}

    /// The write did not happen.
    pub async fn release(self, allocator: &Allocator) {
        for reservation in self.0 {
            allocator.release(&reservation).await;
        }
    }
}

impl Allocator {
    pub fn new(cache: Cache, cidr: ServiceCidr, node_ports: RangeInclusive<u16>) -> Self {
        Allocator { cache, first: cidr, ports: Range::of_ports(node_ports) }
    }

    /// Completes the object with what it needs; other kinds need nothing. A dry run is shown what could
    /// be had, and nothing is reserved.
    pub async fn allocate(
        &self,
        kind: &Kind,
        object: &mut Value,
        old: Option<&Value>,
        dry_run: bool,
    ) -> Result<Held, Status> {
        if !is_service(kind) {
            return Ok(Held::default());
        }
        service::allocate(self, kind, object, old, dry_run).await
    }

    /// Takes back everything of an object that is gone.
    pub async fn release_object(&self, kind: &Kind, object: &Value) {
        if is_service(kind) {
            for reservation in service::reservations(object) {
                self.release(&reservation).await;
            }
        }
    }

    /// Takes back what an update dropped.
    pub async fn release_dropped(&self, kind: &Kind, new: &Value, old: &Value) {
        if is_service(kind) {
            let kept = service::reservations(new);
            for reservation in service::reservations(old).into_iter().filter(|r| !kept.contains(r)) {
                self.release(&reservation).await;
            }
        }
    }
}

fn is_service(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "services"
}
