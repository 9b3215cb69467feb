//! One value of a range, held by one Service.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use orch_object::Status;
use orch_store::{Change, Expect, StoreError, Write};
use serde_json::{Value, json};

use super::{Allocator, ServiceCidr, service};
use crate::verbs::stamp;
use crate::{causes, key};

/// Younger reservations may belong to a write that is under way on another host.
const SETTLED: jiff::SignedDuration = jiff::SignedDuration::from_secs(120);

/// A value, in the words of its Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    Ip(Ipv4Addr),
    /// Port and protocol: TCP and UDP may share a number.
    Port(u16, String),
}

/// Why a value cannot be had.
#[derive(Debug)]
pub enum Refusal {
    Taken,
    OutOfRange,
    Exhausted,
    Store(Status),
}

/// Numbers that can be handed out.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    first: u32,
    last: u32,
    /// Below it values are for those who choose theirs; used last (KEP-3070, KEP-3668).
    dynamic: u32,
}

impl Range {
    pub fn ips(cidr: ServiceCidr) -> Self {
        let size = cidr.size();
        let base = u32::from(cidr.base);
        // Not the network's own address, not its last.
        let (first, last) = (base + 1, base + size - 2);
        Range { first, last, dynamic: first + (size / 16).clamp(16.min(size / 4), 256) }
    }

    pub fn ports(ports: RangeInclusive<u16>) -> Self {
        let (first, last) = (u32::from(*ports.start()), u32::from(*ports.end()));
        let size = last.saturating_sub(first) + 1;
        Range { first, last, dynamic: first + (size / 32).clamp(16.min(size / 4), 128) }
    }

    pub fn contains(&self, value: u32) -> bool {
        (self.first..=self.last).contains(&value)
    }

    /// Every value, beginning at a random one of the dynamic part, the static part last.
    fn candidates(&self) -> impl Iterator<Item = u32> + use<> {
        use rand::RngExt;
        let Range { first, last, dynamic } = *self;
        let start = rand::rng().random_range(dynamic..=last);
        (start..=last).chain(dynamic..start).chain(first..dynamic)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Reservation {
    fn key(&self) -> String {
        match self {
            // Where upstream keeps them: networking.k8s.io/v1 IPAddress.
            Reservation::Ip(ip) => key::object("networking.k8s.io", "ipaddresses", "", &ip.to_string()),
            Reservation::Port(port, protocol) => {
                key::object("orch.dev", "nodeports", "", &format!("{port}-{}", protocol.to_lowercase()))
            }
        }
    }

    fn object(&self, service: &Value) -> Value {
        let metadata = &service["metadata"];
        let parent = json!({ "resource": "services",
            "namespace": metadata["namespace"], "name": metadata["name"] });
        let created = crate::verbs::time(jiff::Timestamp::now());
        let uid = uuid::Uuid::new_v4().to_string();
        match self {
            Reservation::Ip(ip) => json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
                "metadata": { "name": ip.to_string(), "uid": uid, "creationTimestamp": created, "labels": {
                    "ipaddress.kubernetes.io/ip-family": "IPv4",
                    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                } },
                "spec": { "parentRef": parent },
            }),
            Reservation::Port(port, protocol) => json!({
                "apiVersion": "orch.dev/v1", "kind": "NodePort",
                "metadata": { "name": port.to_string(), "uid": uid, "creationTimestamp": created },
                "spec": { "parentRef": parent, "protocol": protocol },
            }),
        }
    }
}

impl Allocator {
    /// Any free address.
    pub(super) async fn any_ip(&self, service: &Value) -> Result<Reservation, Refusal> {
        self.any(self.ips, service, |value| Reservation::Ip(Ipv4Addr::from(value))).await
    }

    /// Any free port.
    pub(super) async fn any_port(&self, service: &Value, protocol: &str) -> Result<Reservation, Refusal> {
        let port = |value| Reservation::Port(u16::try_from(value).unwrap_or_default(), protocol.into());
        self.any(self.ports, service, port).await
    }

    /// This very value.
    pub(super) async fn exactly(&self, wanted: &Reservation, service: &Value) -> Result<(), Refusal> {
        let in_range = match wanted {
            Reservation::Ip(ip) => self.ips.contains(u32::from(*ip)),
            Reservation::Port(port, _) => self.ports.contains(u32::from(*port)),
        };
        if !in_range {
            return Err(Refusal::OutOfRange);
        }
        let change = Change::Put(stamp(&wanted.object(service)));
        let write = Write { key: wanted.key(), expect: Expect::Absent, change };
        match self.cache.store().commit(write).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. }) => Err(Refusal::Taken),
            Err(error) => Err(Refusal::Store(causes::store(error))),
        }
    }

    async fn any(
        &self,
        range: Range,
        service: &Value,
        reservation: impl Fn(u32) -> Reservation,
    ) -> Result<Reservation, Refusal> {
        for value in range.candidates() {
            let wanted = reservation(value);
            if self.cache.get(&wanted.key()).is_some() {
                continue;
            }
            match self.exactly(&wanted, service).await {
                Ok(()) => return Ok(wanted),
                Err(Refusal::Taken) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Refusal::Exhausted)
    }

    /// Gives a value back. What cannot be given back now is found by [`Allocator::repair`].
    pub(super) async fn release(&self, reservation: &Reservation) {
        let key = reservation.key();
        let Ok(Some(current)) = self.cache.get_fresh(&key).await else { return };
        let change = Change::Delete(stamp(&current.value()));
        let write = Write { key, expect: Expect::Revision(current.revision), change };
        if let Err(error) = self.cache.store().commit(write).await {
            tracing::warn!(?reservation, %error, "a reservation is released later");
        }
    }

    /// Releases what belongs to no Service, and reserves what a Service has without a reservation.
    pub async fn repair(&self, now: jiff::Timestamp) -> Result<(), StoreError> {
        self.cache.fresh().await?;
        let services = self.cache.list(&key::prefix("", "services", None));
        let mut used = std::collections::HashSet::new();
        for service in &services.items {
            let service = service.glance();
            for reservation in service::reservations(&service) {
                used.insert(reservation.key());
                if self.cache.get(&reservation.key()).is_none() {
                    // Taken or out of range: the Service keeps what it has.
                    let _ = self.exactly(&reservation, &service).await;
                }
            }
        }
        for prefix in [
            key::prefix("networking.k8s.io", "ipaddresses", None),
            key::prefix("orch.dev", "nodeports", None),
        ] {
            for held in self.cache.list(&prefix).items {
                if !used.contains(&*held.key) && settled(&held.glance(), now) {
                    let change = Change::Delete(stamp(&held.glance()));
                    let expect = Expect::Revision(held.revision);
                    let write = Write { key: held.key.to_string(), expect, change };
                    match self.cache.store().commit(write).await {
                        Ok(_) | Err(StoreError::Conflict { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }
}

fn settled(reservation: &Value, now: jiff::Timestamp) -> bool {
    let created = reservation["metadata"]["creationTimestamp"].as_str().and_then(|t| t.parse().ok());
    created.is_none_or(|created: jiff::Timestamp| now.duration_since(created) > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_a_candidate_once() {
        let range = Range::ips("10.96.0.0/24".parse().unwrap());
        let mut all: Vec<u32> = range.candidates().collect();
        assert!(all[0] >= range.dynamic);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 254);
        assert_eq!(Ipv4Addr::from(all[0]), Ipv4Addr::new(10, 96, 0, 1));
    }

    #[test]
    fn ranges_are_read_with_care() {
        for text in ["10.96.0.0", "10.96.0.0/4", "10.96.0.0/33", "x/16", "10.96.0/16"] {
            assert!(text.parse::<ServiceCidr>().is_err(), "{text}");
        }
        let cidr: ServiceCidr = "10.96.7.7/16".parse().unwrap();
        assert_eq!(
            (cidr.to_string().as_str(), cidr.address(1).to_string().as_str()),
            ("10.96.0.0/16", "10.96.0.1")
        );
    }
}
